//! Every operation, and the gradient of every one that has a gradient, runs in the memory that its program has: a replay
//! allocates nothing, if tensors have at most four dimensions: the shapes of others need memory of their own.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use allocation_counter::measure;
use rgrad_engine::compile::{Recording, Replay};
use rgrad_engine::ops::{self, Index, Pairing, Sections};
use rgrad_engine::tape::{self, Options};
use rgrad_engine::{DType, Number, Result, Tensor};

/// Arguments of the operations: the numbers are between 0 and 1.
#[derive(Clone)]
struct Args {
    /// (3, 4).
    x: Tensor,
    y: Tensor,
    /// (4, 3), as a view whose elements are not in row-major order.
    m: Tensor,
    /// (4,).
    v: Tensor,
    /// (2, 3, 4).
    a: Tensor,
    /// (2, 4, 3).
    b: Tensor,
    /// (3,) of int64, from 0 to 2.
    labels: Tensor,
    /// (3, 4) of int64, from 0 to 2.
    at: Tensor,
    /// (3, 4) of bool.
    mask: Tensor,
}

const FLOATS: usize = 6;

impl Args {
    fn new() -> Self {
        let floats = |shape: &[usize], seed: usize| {
            let n = shape.iter().product::<usize>();
            let all: Vec<f32> = (0..n).map(|i| ((i * 37 + seed) % 89) as f32 / 100.0 + 0.05).collect();
            Tensor::from_slice(&all, shape).unwrap()
        };
        let integers = |shape: &[usize]| {
            let all: Vec<i64> = (0..shape.iter().product::<usize>() as i64).map(|i| i * 7 % 3).collect();
            Tensor::from_slice(&all, shape).unwrap()
        };
        Self {
            x: floats(&[3, 4], 1),
            y: floats(&[3, 4], 20),
            m: ops::transpose(&floats(&[3, 4], 33), 0, 1).unwrap(),
            v: floats(&[4], 5),
            a: floats(&[2, 3, 4], 7),
            b: floats(&[2, 4, 3], 11),
            labels: integers(&[3]),
            at: integers(&[3, 4]),
            mask: ops::gt(&floats(&[3, 4], 3), &floats(&[3, 4], 50)).unwrap(),
        }
    }

    fn list(&self) -> Vec<Tensor> {
        let Self { x, y, m, v, a, b, labels, at, mask } = self.clone();
        vec![x, y, m, v, a, b, labels, at, mask]
    }

    fn from_list(list: &[Tensor]) -> Self {
        let [x, y, m, v, a, b, labels, at, mask] = list.to_vec().try_into().unwrap();
        Self { x, y, m, v, a, b, labels, at, mask }
    }
}

type Case = (&'static str, fn(&Args) -> Result<Tensor>);

/// Cases by the operations' names, which may have more than one.
macro_rules! cases {
    ($($name:ident: |$args:pat_param| $call:expr;)*) => {
        [$((stringify!($name), (|$args: &Args| $call) as fn(&Args) -> Result<Tensor>)),*]
    };
}

/// Those of one number for each element, or of two.
macro_rules! element_wise {
    ($($name:ident)* ; $($two:ident)*) => {
        [
            $((stringify!($name), (|p: &Args| ops::$name(&p.x)) as fn(&Args) -> Result<Tensor>),)*
            $((stringify!($two), (|p: &Args| ops::$two(&p.x, &ops::transpose(&p.m, 0, 1)?)) as fn(&Args) -> Result<Tensor>)),*
        ]
    };
}

fn element_wise() -> Vec<Case> {
    let simple = element_wise! {
        neg abs sign square reciprocal sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh
        asinh atanh erf erfc erfinv sigmoid relu floor ceil trunc isnan isinf isfinite logical_not
        relu6 selu silu mish logsigmoid softsign hardsigmoid hardswish tanhshrink
        ; add sub mul div floor_divide remainder fmod pow hypot atan2 logaddexp xlogy maximum minimum lt le gt ge eq ne
        logical_and logical_or logical_xor float_power
    };
    let others = cases! {
        acosh: |p| ops::acosh(&ops::add(&p.x, &number(1.5))?);
        bitwise_and: |p| ops::bitwise_and(&p.at, &p.at);
        bitwise_or: |p| ops::bitwise_or(&p.at, &p.at);
        bitwise_xor: |p| ops::bitwise_xor(&p.at, &p.at);
        bitwise_not: |p| ops::bitwise_not(&p.at);
        pow: |p| ops::pow(&p.at, &p.at);
        floor_divide: |p| ops::floor_divide(&p.at, &ops::add(&p.at, &Tensor::weak(Number::Int(1))?)?);
        leaky_relu: |p| ops::leaky_relu(&p.x, 0.01);
        prelu: |p| ops::prelu(&p.x, &number(0.2));
        elu: |p| ops::elu(&p.x, 1.0);
        celu: |p| ops::celu(&p.x, 1.0);
        gelu: |p| ops::gelu(&p.x, "none");
        gelu: |p| ops::gelu(&p.x, "tanh");
        softplus: |p| ops::softplus(&p.x, 1.0, 20.0);
        hardtanh: |p| ops::hardtanh(&p.x, -0.5, 0.5);
        softshrink: |p| ops::softshrink(&p.x, 0.5);
        hardshrink: |p| ops::hardshrink(&p.x, 0.5);
        threshold: |p| ops::threshold(&p.x, 0.5, 0.1);
        clamp: |p| ops::clamp(&p.x, Some(&number(0.2)), Some(&number(0.7)));
        clamp_min: |p| ops::clamp_min(&p.x, &number(0.2));
        clamp_max: |p| ops::clamp_max(&p.x, &number(0.7));
        where_: |p| ops::where_(&p.mask, &p.x, &p.v);
        add_scaled: |p| ops::add_scaled(&p.x, &p.v, Some(&number(2.0)));
        sub_scaled: |p| ops::sub_scaled(&p.x, &p.v, Some(&number(2.0)));
        div_rounded: |p| ops::div_rounded(&p.x, &p.v, None);
        logit: |p| ops::logit(&p.x, None);
        lerp: |p| ops::lerp(&p.x, &p.y, &p.v);
        rounded: |p| ops::rounded(&p.x, 1);
        nan_to_num: |p| ops::nan_to_num(&p.x, None, None, None);
        isclose: |p| ops::isclose(&p.x, &p.y, 1e-5, 1e-8, false);
        masked_fill: |p| ops::masked_fill(&p.x, &p.mask, &number(2.0));
    };
    simple.into_iter().chain(others).collect()
}

fn reductions() -> Vec<Case> {
    let all = cases! {
        sum: |p| ops::sum(&p.x, None, false);
        sum: |p| ops::sum(&p.x, Some(&[0]), false);
        sum: |p| ops::sum(&p.mask, Some(&[1]), true);
        mean: |p| ops::mean(&p.m, Some(&[1]), false);
        mean: |p| ops::mean(&p.x, None, false);
        prod: |p| ops::prod(&p.x, Some(&[1]), false);
        all: |p| ops::all(&p.mask, Some(&[1]), false);
        any: |p| ops::any(&p.x, None, false);
        count_nonzero: |p| ops::count_nonzero(&p.x, Some(&[0]), false);
        var: |p| ops::var(&p.x, Some(&[0]), false, None, None);
        var: |p| ops::var(&p.m, None, false, None, None);
        std: |p| ops::std(&p.x, Some(&[1]), true, None, None);
        var_mean: |p| { let (a, b) = ops::var_mean(&p.x, None, false, None, None)?; ops::add(&a, &b) };
        std_mean: |p| { let (a, b) = ops::std_mean(&p.x, None, false, None, None)?; ops::add(&a, &b) };
        norm: |p| ops::norm(&p.m, 2.0, Some(&[1]), false);
        norm: |p| ops::norm(&p.x, 3.0, None, false);
        norm: |p| ops::norm(&p.x, 1.0, None, false);
        norm: |p| ops::norm(&p.x, f64::INFINITY, Some(&[0]), false);
        logsumexp: |p| ops::logsumexp(&p.a, Some(&[0, 2]), false);
        amax: |p| ops::amax(&p.x, Some(&[0]), false);
        amin: |p| ops::amin(&p.m, None, false);
        argmax: |p| ops::argmax(&p.x, Some(0), false);
        argmin: |p| ops::argmin(&p.m, None, false);
        max_dim: |p| Ok(ops::max_dim(&p.x, 1, false)?.0);
        min_dim: |p| Ok(ops::min_dim(&p.x, 0, false)?.0);
        softmax: |p| ops::softmax(&p.x, 1);
        softmax: |p| ops::softmax(&p.x, 0);
        log_softmax: |p| ops::log_softmax(&p.a, 1);
        softmin: |p| ops::softmin(&p.x, 1);
        cumsum: |p| ops::cumsum(&p.x, 0);
        cumsum: |p| ops::cumsum(&p.at, 1);
        cumprod: |p| ops::cumprod(&p.x, 1);
        sort: |p| Ok(ops::sort(&p.x, 1, false, false)?.0);
        argsort: |p| ops::argsort(&p.x, 0, true, false);
        topk: |p| Ok(ops::topk(&p.x, 2, 1, true, true)?.0);
    };
    all.into_iter().collect()
}

fn products_and_norms() -> Vec<Case> {
    let all = cases! {
        matmul: |p| ops::matmul(&p.x, &p.m);
        matmul: |p| ops::matmul(&p.a, &p.b);
        linear: |p| ops::linear(&p.x, &p.y, Some(&ops::select(&p.m, 0, 0)?));
        mm: |p| ops::mm(&p.x, &p.m);
        mv: |p| ops::mv(&p.x, &p.v);
        bmm: |p| ops::bmm(&p.a, &p.b);
        dot: |p| ops::dot(&p.v, &p.v);
        inner: |p| ops::inner(&p.x, &p.y);
        outer: |p| ops::outer(&p.v, &p.v);
        tensordot: |p| ops::tensordot(&p.x, &p.y, &Pairing::Last(0));
        addmm: |p| ops::addmm(&number(1.0), &p.x, &p.m, 2.0, 0.5);
        addmv: |p| ops::addmv(&number(1.0), &p.x, &p.v, 2.0, 0.5);
        baddbmm: |p| ops::baddbmm(&number(1.0), &p.a, &p.b, 2.0, 0.5);
        kron: |p| ops::kron(&p.x, &p.y);
        einsum: |p| ops::einsum("ij,jk->ki", &[p.x.clone(), p.m.clone()]);
        batch_norm: |p| ops::batch_norm(&p.x, None, None, Some(&p.v), Some(&p.v), true, 0.1, 1e-5);
        batch_norm: |p| ops::batch_norm(&p.x, Some(&p.v), Some(&p.v), None, None, false, 0.1, 1e-5);
        batch_norm: |p| ops::batch_norm(&p.b, None, None, Some(&p.v), None, true, 0.1, 1e-5);
        layer_norm: |p| ops::layer_norm(&p.x, &[4], Some(&p.v), None, 1e-5);
        rms_norm: |p| ops::rms_norm(&p.x, &[4], Some(&p.v), None);
        normalize: |p| ops::normalize(&p.x, 2.0, 1, 1e-12);
        cosine_similarity: |p| ops::cosine_similarity(&p.x, &p.y, 1, 1e-8);
    };
    all.into_iter().collect()
}

fn losses() -> Vec<Case> {
    let all = cases! {
        cross_entropy: |p| ops::cross_entropy(&p.x, &p.labels, None, -100, "mean", 0.0);
        cross_entropy: |p| ops::cross_entropy(&p.x, &p.labels, None, 1, "none", 0.0);
        cross_entropy: |p| ops::cross_entropy(&p.x, &p.labels, Some(&p.v), 2, "mean", 0.1);
        cross_entropy: |p| ops::cross_entropy(&p.x, &p.y, None, -100, "sum", 0.0);
        nll_loss: |p| ops::nll_loss(&p.x, &p.labels, Some(&p.v), -100, "mean");
        multi_margin_loss: |p| ops::multi_margin_loss(&p.x, &p.labels, 2, 1.0, None, "mean");
        mse_loss: |p| ops::mse_loss(&p.x, &p.y, "mean");
        l1_loss: |p| ops::l1_loss(&p.x, &p.y, "sum");
        smooth_l1_loss: |p| ops::smooth_l1_loss(&p.x, &p.y, "mean", 0.5);
        huber_loss: |p| ops::huber_loss(&p.x, &p.y, "none", 0.5);
        binary_cross_entropy: |p| ops::binary_cross_entropy(&p.x, &p.y, None, "mean");
        binary_cross_entropy_with_logits: |p| ops::binary_cross_entropy_with_logits(&p.x, &p.y, None, "mean", Some(&p.v));
        kl_div: |p| ops::kl_div(&p.x, &p.y, "batchmean", false);
        hinge_embedding_loss: |p| ops::hinge_embedding_loss(&p.x, &ops::sign(&p.y)?, 1.0, "mean");
        soft_margin_loss: |p| ops::soft_margin_loss(&p.x, &ops::sign(&p.y)?, "mean");
        margin_ranking_loss: |p| ops::margin_ranking_loss(&p.x, &p.y, &ops::sign(&p.y)?, 0.1, "mean");
    };
    all.into_iter().collect()
}

fn places() -> Vec<Case> {
    let all = cases! {
        reshape: |p| ops::reshape(&p.m, &[2, 6]);
        flatten: |p| ops::flatten(&p.a, 1, 2);
        ravel: |p| ops::ravel(&p.m);
        unflatten: |p| ops::unflatten(&p.x, 1, &[2, 2]);
        transpose: |p| ops::exp(&ops::transpose(&p.x, 0, 1)?);
        swapaxes: |p| ops::exp(&ops::swapaxes(&p.x, 0, 1)?);
        movedim: |p| ops::movedim(&p.a, &[0], &[2]);
        permute: |p| ops::permute(&p.a, &[2, 0, 1]);
        expand: |p| ops::expand(&p.v, &[3, 4]);
        expand_as: |p| ops::expand_as(&p.v, &p.x);
        broadcast_to: |p| ops::broadcast_to(&p.v, &[3, 4]);
        squeeze: |p| ops::squeeze(&ops::unsqueeze(&p.x, 1)?, None);
        unsqueeze: |p| ops::unsqueeze(&p.x, 1);
        narrow: |p| ops::narrow(&p.x, 1, 1, 2);
        select: |p| ops::select(&p.x, 1, 1);
        split: |p| Ok(ops::split(&p.x, &Sections::Every(2), 1)?.remove(1));
        chunk: |p| Ok(ops::chunk(&p.x, 2, 1)?.remove(1));
        unbind: |p| Ok(ops::unbind(&p.x, 0)?.remove(1));
        cat: |p| ops::cat(&[p.x.clone(), p.y.clone()], 1);
        stack: |p| ops::stack(&[p.x.clone(), p.y.clone()], 0);
        flip: |p| ops::flip(&p.m, &[0]);
        roll: |p| ops::roll(&p.x, &[1], Some(&[1]));
        repeat: |p| ops::repeat(&p.x, &[2, 2]);
        tile: |p| ops::tile(&p.x, &[2]);
        diagonal: |p| ops::diagonal(&p.x, 0, 0, 1);
        diag_embed: |p| ops::diag_embed(&p.x, 1, -2, -1);
        diag: |p| ops::diag(&p.v, 0);
        trace: |p| ops::trace(&p.x);
        tril: |p| ops::tril(&p.x, 0);
        triu: |p| ops::triu(&p.m, 1);
        pad: |p| ops::pad(&p.x, &[1, 2], "constant", Some(1.0));
        pad: |p| ops::pad(&p.x, &[1, 2], "reflect", None);
        one_hot: |p| ops::one_hot(&p.labels, 3);
        index_select: |p| ops::index_select(&p.m, 0, &p.labels);
        gather: |p| ops::gather(&p.x, 0, &p.at);
        take_along_dim: |p| ops::take_along_dim(&p.x, &p.at, Some(0));
        scatter_add: |p| ops::scatter_add(&p.x, 0, &p.at, &p.y);
        getitem: |p| ops::getitem(&p.x, &[Index::Tensor(p.labels.clone()), Index::Tensor(p.labels.clone())]);
        to: |p| ops::cast(&ops::transpose(&p.at, 0, 1)?, DType::Float32);
        clone: |p| ops::clone(&p.m);
    };
    all.into_iter().collect()
}

fn number(value: f64) -> Tensor {
    Tensor::scalar(Number::Float(value), DType::Float32).unwrap()
}

/// A program that writes what `f` gives over a tensor that stays.
fn recorded(f: impl Fn(&Args) -> Result<Vec<Tensor>>) -> Result<(Replay, Vec<Tensor>, Vec<Tensor>)> {
    let args = Args::new();
    let to: Vec<Tensor> = f(&args)?.iter().map(|t| ops::clone(&t.detach())).collect::<Result<_>>()?;
    let arguments = args.list();
    let (recording, copies) = Recording::begin(&arguments)?;
    let made = f(&Args::from_list(&copies))?;
    for (to, t) in to.iter().zip(made) {
        to.copy_from(&t.detach())?;
    }
    let (replay, _) = recording.finish(&[], &arguments, |program| Replay::new(program, &[]))?;
    Ok((replay, arguments, to))
}

fn allocations(f: impl Fn(&Args) -> Result<Vec<Tensor>>) -> Result<u64> {
    let (mut replay, arguments, _to) = recorded(f)?;
    for _ in 0..2 {
        replay.run(&arguments)?;
    }
    let mut done = Ok(Vec::new());
    let counted = measure(|| done = replay.run(&arguments)).count_total;
    done.map(|_| counted)
}

/// The gradients of the sum of the squares of what `f` gives.
fn gradients(args: &Args, f: fn(&Args) -> Result<Tensor>) -> Result<Vec<Tensor>> {
    let mut list = args.list();
    for x in &mut list[..FLOATS] {
        *x = x.leaf()?;
    }
    let y = f(&Args::from_list(&list))?;
    if !y.requires_grad() {
        return Ok(Vec::new());
    }
    let loss = ops::sum(&ops::square(&y)?, None, false)?;
    let grads = tape::gradients(&[loss], &list[..FLOATS], &[None], Options::default())?;
    Ok(grads.into_iter().flatten().collect())
}

/// The functions that are marked `#[op]`, read from the sources.
fn marked(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            marked(&path, names);
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for part in text.split("#[op(").skip(1) {
            let (_, function) = part.split_once("fn ").unwrap();
            names.insert(function.split_once('(').unwrap().0.into());
        }
    }
}

/// Those that cannot be recorded, because the shape of their results depends on elements, or that plan where to write in every
/// replay.
const EXCEPTIONS: [&str; 3] = ["nonzero", "index_put", "scatter"];

#[test]
#[cfg_attr(miri, ignore = "it reads sources")]
fn there_is_a_case_for_every_operation() {
    let mut names = BTreeSet::new();
    marked(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops"), &mut names);
    assert!(names.len() > 150, "{names:?}");
    let tested: BTreeSet<String> = cases().iter().map(|case| case.0.into()).collect();
    let missing: Vec<_> = names.difference(&tested).filter(|name| !EXCEPTIONS.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn cases() -> Vec<Case> {
    [element_wise(), reductions(), products_and_norms(), losses(), places()].concat()
}

#[test]
#[cfg_attr(miri, ignore = "hundreds of programs")]
fn replays_of_every_operation_allocate_nothing() {
    let mut wrong = Vec::new();
    for (name, f) in cases() {
        match allocations(|args| Ok(vec![f(args)?])) {
            Ok(0) => {}
            other => wrong.push(format!("{name}: {other:?}")),
        }
        match allocations(|args| gradients(args, f)) {
            Ok(0) => {}
            other => wrong.push(format!("gradient of {name}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
