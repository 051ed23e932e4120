//! Matrix products with fused epilogues.

use std::any::Any;

use rgrad_kernels::gemm::{self, Activation, Epilogue, Mat, Packed, Tiles};
use rgrad_kernels::lock::Lock;
use rgrad_kernels::reduce::{Axes, Reduce, Reductions, reduce};
use rgrad_kernels::simd::Real;

use crate::dtype::match_float;
use crate::error::Result;
use crate::op::{Kind, Op, Out};
use crate::tensor::{Reader, Tensor};

/// C = epilogue(A·B). The inputs are A and B, the bias if there is one, and the values of the activation whose slope is applied.
#[derive(Clone, Debug, Default)]
pub(crate) struct FusedProduct {
    pub bias: bool,
    pub activation: Option<Activation>,
    pub slope: Option<Activation>,
    /// Whether the second output is the sum of A's columns: for a layer's backward product, whose A is the transposed gradient,
    /// the gradient of the bias.
    pub sums: bool,
}

impl FusedProduct {
    /// The product that an operation is, if it is one.
    pub(super) fn of(op: &dyn Op) -> Option<&Self> {
        op.as_any()?.downcast_ref()
    }

    fn run<T: Tiles + Reductions>(&self, x: &[&Tensor], out: &[&Tensor], packed: Option<&Packed<T>>) {
        let (a, b) = (x[0].read::<T>(), x[1].read::<T>());
        let (ma, mb) = (mat(x[0], &a), mat(x[1], &b));
        let bias = self.bias.then(|| x[2].read::<T>());
        let of = self.slope.map(|slope| (slope, x[x.len() - 1].read::<T>()));
        let epilogue = Epilogue {
            bias: bias.as_ref().map(Reader::slice),
            activation: self.activation,
            slope: of.as_ref().map(|(slope, y)| (*slope, y.slice())),
            accumulate: false,
        };
        let at = out[0].layout().offset;
        let mut c = out[0].write::<T>();
        let c = &mut c[at..at + ma.rows * mb.cols];
        match packed {
            Some(packed) => gemm::gemm_packed(c, ma, packed, epilogue),
            None => gemm::gemm(c, ma, mb, epilogue),
        }
        if self.sums {
            let (rows, steps) = ([ma.rows], [ma.row_stride]);
            let (cols, lengths) = ([ma.cols], [ma.col_stride]);
            let at = out[1].layout().offset;
            let sums = &mut out[1].write::<T>()[at..at + ma.rows];
            reduce(Reduce::Sum, sums, ma.data, Axes::new(&rows, &steps), Axes::new(&cols, &lengths));
        }
    }
}

fn mat<'a, T: Real>(x: &Tensor, data: &'a Reader<'_, T>) -> Mat<'a, T> {
    let layout = x.layout();
    Mat {
        data: data.tail(),
        rows: layout.shape[0],
        cols: layout.shape[1],
        row_stride: layout.strides[0],
        col_stride: layout.strides[1],
    }
}

impl Op for FusedProduct {
    fn name(&self) -> &'static str {
        "product"
    }

    fn describe(&self) -> String {
        let mut name = String::from("product");
        if self.bias {
            name.push_str("+bias");
        }
        if let Some(activation) = self.activation {
            name = format!("{name}+{}", activation.name());
        }
        if let Some(activation) = self.slope {
            name = format!("{name}+{}_grad", activation.name());
        }
        if self.sums {
            name.push_str("+sums");
        }
        name
    }

    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        match_float!(x[0].dtype(), "product", T => self.run::<T>(x, out.places(), None));
        Ok(())
    }

    fn kind(&self) -> Kind {
        Kind::Matmul
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// The same with a packed B, packed again when it has changed: for weights that the program does not change.
pub(super) struct Kept {
    pub product: FusedProduct,
    pub packed: Lock<Option<Copies>>,
}

/// B, packed at a version of its storage.
pub(super) struct Copies {
    version: u32,
    form: Form,
}

enum Form {
    F32(Packed<f32>),
    F64(Packed<f64>),
}

impl Kept {
    pub fn new(product: FusedProduct) -> Self {
        Self { product, packed: Lock::default() }
    }
}

impl Op for Kept {
    fn name(&self) -> &'static str {
        "product"
    }

    fn describe(&self) -> String {
        format!("{} (B packed)", self.product.describe())
    }

    fn forward(&self, x: &[&Tensor], out: &mut Out<'_>) -> Result<()> {
        let mut slot = self.packed.lock();
        let version = x[1].version();
        let (rows, cols) = (x[1].shape()[0], x[1].shape()[1]);
        if slot.is_none() {
            let form = match x[1].dtype().size() {
                4 => Form::F32(Packed::new(rows, cols)?),
                _ => Form::F64(Packed::new(rows, cols)?),
            };
            *slot = Some(Copies { version: version.wrapping_sub(1), form });
        }
        let Some(copies) = slot.as_mut() else { unreachable!("made above") };
        // Writes through its address would go unnoticed.
        let stale = copies.version != version || x[1].is_lent();
        copies.version = version;
        match &mut copies.form {
            Form::F32(packed) => {
                if stale {
                    packed.fill(mat(x[1], &x[1].read::<f32>()));
                }
                self.product.run(x, out.places(), Some(packed));
            }
            Form::F64(packed) => {
                if stale {
                    packed.fill(mat(x[1], &x[1].read::<f64>()));
                }
                self.product.run(x, out.places(), Some(packed));
            }
        }
        Ok(())
    }

    fn kind(&self) -> Kind {
        Kind::Matmul
    }
}
