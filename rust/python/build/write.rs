//! The code of the functions and methods.

use crate::read::{Argument, Operation};

/// All functions, `Tensor`'s methods, and the names of both.
pub fn module(operations: &[Operation]) -> String {
    let functions: Vec<String> = operations.iter().map(|op| item(op, Form::Function)).collect();
    let methods = operations.iter().filter(|op| op.kind != "function").map(|op| item(op, Form::Method));
    let methods: Vec<String> = methods.map(|text| format!("    {}", text.replace('\n', "\n    "))).collect();
    let names: Vec<&str> = operations.iter().map(|op| &*op.function).collect();
    let python: Vec<String> = operations.iter().map(|op| format!("{:?}", op.python)).collect();
    format!(
        "{}\n\n#[pymethods]\nimpl PyTensor {{\n{}\n}}\n\n\
        /// The names of the operations.\npub const OPS: [&str; {}] = [{}];\n\n\
        /// Calls `$callback!` with the functions of all operations.\n\
        macro_rules! operations {{\n    ($callback:ident) => {{\n        $callback! {{ {} }}\n    }};\n}}\n\
        pub(crate) use operations;\n",
        functions.join("\n\n"),
        methods.join("\n\n"),
        python.len(),
        python.join(", "),
        names.join(" "),
    )
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Function,
    Method,
}

/// An argument of a Python function.
struct Parameter {
    /// Its attribute, name and type.
    declared: String,
    /// As `PyO3`'s `signature` has it, and as `inspect.signature` shows it.
    signature: String,
    shown: String,
}

impl Parameter {
    /// One that is None unless given.
    fn optional(name: &str, ty: &str) -> Self {
        Self::shown_as(name, ty, "None")
    }

    /// One that is None unless given, which stands for something else.
    fn shown_as(name: &str, ty: &str, default: &str) -> Self {
        Self {
            declared: format!("{name}: Option<{ty}>"),
            signature: format!("{name} = None"),
            shown: format!("{name}={default}"),
        }
    }

    /// What separates arguments that must be named.
    fn star() -> Self {
        Self { declared: String::new(), signature: "*".into(), shown: "*".into() }
    }
}

/// How an argument of the engine is made of an argument of Python.
struct Conversion {
    /// Of the Python function's argument.
    ty: &'static str,
    /// What the engine gets, and what `settle` does, where `$` is the name.
    passed: &'static str,
    operand: Option<&'static str>,
}

fn conversion(op: &Operation, argument: &Argument) -> Conversion {
    let (ty, passed, operand) = match &*argument.ty {
        "&Tensor" => ("Tensor", "&$.0", Some("Some(&mut $.0)")),
        "Option<&Tensor>" => ("Option<Tensor>", "$.as_ref().map(|t| &t.0)", Some("$.as_mut().map(|t| &mut t.0)")),
        "&[Tensor]" | "&[isize]" if argument.star => ("&Bound<'_, PyTuple>", "&$", None),
        "&[Tensor]" => ("Tensors", "&$.0", None),
        "&[isize]" => ("Ints", "&$.0", None),
        "Option<&[isize]>" => ("Option<Ints>", "$.as_ref().map(|list| &*list.0)", None),
        "Option<isize>" => ("Option<Int>", "$.map(|int| int.0)", None),
        "&[Index]" => ("Indices", "&$.0", None),
        "&Sections" => ("Sections", "&$.0", None),
        "&Pairing" => ("Pairing", "&$.0", None),
        "Option<Rounding>" => ("Option<Rounding>", "$.map(|mode| mode.0)", None),
        "Order" => ("Order", "$.0", None),
        "isize" => ("isize", "$", None),
        "f64" => ("f64", "$", None),
        "bool" => ("bool", "$", None),
        "&str" => ("&str", "$", None),
        "Option<f64>" => ("Option<f64>", "$", None),
        "Option<bool>" => ("Option<bool>", "$", None),
        other => panic!("{}: rust/python/build/write.rs does not know how to pass {other} yet", op.function),
    };
    Conversion { ty, passed, operand }
}

fn parameter(op: &Operation, argument: &Argument) -> Parameter {
    let Conversion { ty, operand, .. } = conversion(op, argument);
    let name = &argument.name;
    let mutable = if operand.is_some() { "mut " } else { "" };
    // Integers are converted by a function, because `Int` has no literals for their defaults.
    let (attribute, hint) = match (&*argument.ty, argument.star) {
        ("isize", _) => ("#[pyo3(from_py_with = integer)] ", ": \"SupportsIndex\""),
        ("&[isize]", true) => ("", ": \"int | Sequence[int]\""),
        ("&[Tensor]", true) => ("", ": \"Tensor | Sequence[Tensor]\""),
        _ => ("", ""),
    };
    let star = if argument.star { "*" } else { "" };
    let default = argument.default.as_ref().map_or(String::new(), |value| match ty {
        "Order" | "Pairing" => format!(" = {ty}::from({value})"),
        _ => format!(" = {value}"),
    });
    let shown = argument.default.as_ref().map_or(String::new(), |value| format!("={}", python(value)));
    Parameter {
        declared: format!("{attribute}{mutable}{name}: {ty}"),
        signature: format!("{star}{name}{hint}{default}"),
        shown: format!("{star}{name}{shown}"),
    }
}

/// A literal of Rust as Python writes it.
fn python(value: &str) -> String {
    match value {
        "true" => "True".into(),
        "false" => "False".into(),
        _ => value.replace('"', "'"),
    }
}

/// A function or method.
fn item(op: &Operation, form: Form) -> String {
    let (mut parameters, mut body, mut hint) = (Vec::new(), Vec::new(), "");
    if form == Form::Function {
        parameters.push(parameter(op, &op.arguments[0]));
    }
    match &*op.kind {
        "function" | "method" => {
            parameters.extend(op.arguments[1..].iter().map(|argument| parameter(op, argument)));
            body.extend(settled(op, form, &op.arguments[1..]));
            let stars = op.arguments.iter().filter(|argument| argument.star);
            body.extend(stars.map(|Argument { name, ty, .. }| match &**ty {
                // One for every term of the equation before them.
                "&[Tensor]" => format!("let {name} = operands_of({}, {name})?;", op.arguments[0].name),
                _ => format!("let {name} = sequence({name})?;"),
            }));
            body.push(call(op, form));
        }
        "reduction" | "cumulation" => {
            parameters.extend(reduction_parameters(op));
            body.extend(reduction_names(op));
            body.extend(settled(op, form, &[]));
            body.push(call(op, form));
        }
        "extremum" => {
            parameters.extend(extremum_parameters());
            hint = " -> \"Any\"";
            body.extend(extremum_body(op, form));
        }
        other => panic!("{}: there is no kind of operation called {other}", op.function),
    }
    let list = |part: fn(&Parameter) -> &String| {
        parameters.iter().map(part).filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>()
    };
    let (mut shown, mut declared) = (list(|p| &p.shown), list(|p| &p.declared));
    declared.insert(0, "py: Python<'_>".into());
    if form == Form::Method {
        shown.insert(0, "$self".into());
        declared.insert(0, "&self".into());
    }
    let (attribute, visibility) = if form == Form::Function { ("#[pyfunction]\n", "pub ") } else { ("", "") };
    let renamed = if op.python == op.function { String::new() } else { format!("name = {:?}, ", op.python) };
    format!(
        "{docs}{attribute}#[pyo3({renamed}signature = ({signature}){hint}, text_signature = \"({shown})\")]\n\
        {visibility}fn {name}({declared}) -> PyResult<{result}> {{\n    {body}\n}}",
        docs = op.docs.iter().map(|line| format!("///{line}\n")).collect::<Vec<_>>().concat(),
        signature = list(|p| &p.signature).join(", "),
        shown = shown.join(", "),
        name = op.function,
        declared = declared.join(", "),
        result = result(op),
        body = body.join("\n    "),
    )
}

/// The type of the result.
fn result(op: &Operation) -> &'static str {
    match (&*op.kind, &*op.returns) {
        ("extremum", _) => "Extreme",
        (_, "Tensor") => "PyTensor",
        (_, "Vec<Tensor>") => "Tuple",
        (_, "(Tensor,Tensor)") => "Pair",
        (_, "ValuesIndices") => "ValuesIndices",
        (_, other) => panic!("{}: rust/python/build/write.rs does not know the result {other} yet", op.function),
    }
}

/// Python's floats among the operands get their dtype: those of a function, or those beside the tensor that has the method.
fn settled(op: &Operation, form: Form, rest: &[Argument]) -> Option<String> {
    let operand = |argument: &Argument| conversion(op, argument).operand.map(|text| text.replace('$', &argument.name));
    let operands: Vec<String> = rest.iter().filter_map(operand).collect();
    match form {
        Form::Function => {
            let all: Vec<String> = operand(&op.arguments[0]).into_iter().chain(operands).collect();
            (!all.is_empty()).then(|| format!("settle(None, [{}])?;", all.join(", ")))
        }
        Form::Method if operands.is_empty() => None,
        Form::Method => Some(format!("settle(Some(&self.inner), [{}])?;", operands.join(", "))),
    }
}

/// The call of the engine. Another thread may run meanwhile if it has much to do, as a function is taken to have.
fn call(op: &Operation, form: Form) -> String {
    let name = &op.function;
    let passed = |argument: &Argument| conversion(op, argument).passed.replace('$', &argument.name);
    let (x, size) = match form {
        Form::Function if op.kind == "function" => (passed(&op.arguments[0]), "usize::MAX"),
        Form::Function => (passed(&op.arguments[0]), "x.0.numel()"),
        Form::Method => ("&self.inner".into(), "self.inner.numel()"),
    };
    // The engine's own arguments of a reduction are made of Python's in the lines above.
    let rest: Vec<String> = op.arguments[1..].iter().map(passed).collect();
    let arguments = |x: &str| [&[x.to_owned()], &*rest].concat().join(", ");
    let called = if op.dtype {
        format!("in_dtype({x}, dtype, |x| ops::{name}({}))", arguments("x"))
    } else {
        format!("ops::{name}({})", arguments(&x))
    };
    format!("run(py, {size}, || {called}).map(Into::into)")
}

/// `dim` and what follows it, and NumPy's names. Python's libraries agree on no order of more arguments than `dim` and `keepdim`:
/// they must be named.
fn reduction_parameters(op: &Operation) -> Vec<Parameter> {
    let has_keepdim = op.arguments.iter().any(|argument| argument.name == "keepdim");
    let dims = if op.arguments[1].ty == "Option<&[isize]>" { "Ints" } else { "Int" };
    let further = op.arguments.get(3..).unwrap_or_default();
    let mut all = vec![Parameter::optional("dim", dims)];
    let keepdim = has_keepdim.then(|| Parameter::shown_as("keepdim", "bool", "False"));
    if further.is_empty() {
        all.extend(keepdim);
        all.push(Parameter::star());
    } else {
        all.push(Parameter::star());
        all.extend(keepdim);
    }
    all.extend(further.iter().map(|argument| parameter(op, argument)));
    all.extend(op.dtype.then(|| Parameter::optional("dtype", "AnyDType")));
    all.push(Parameter::optional("axis", dims));
    all.extend(has_keepdim.then(|| Parameter::optional("keepdims", "bool")));
    all
}

/// Of PyTorch's and NumPy's names those that were given.
fn reduction_names(op: &Operation) -> Vec<String> {
    let mut all = vec!["let dim = either(\"dim\", dim, axis)?;".to_owned()];
    if op.kind == "cumulation" {
        all.push(format!("let dim = required({:?}, dim)?;", op.python));
    } else {
        all.push("let keepdim = either(\"keepdim\", keepdim, keepdims)?.unwrap_or(false);".into());
    }
    all
}

fn extremum_parameters() -> [Parameter; 6] {
    [
        Parameter::optional("dim", "DimOrTensor"),
        Parameter::shown_as("keepdim", "bool", "False"),
        Parameter::star(),
        Parameter::optional("other", "Tensor"),
        Parameter::optional("axis", "Int"),
        Parameter::optional("keepdims", "bool"),
    ]
}

fn extremum_body(op: &Operation, form: Form) -> Vec<String> {
    let Operation { python, function, whole, pairwise, .. } = op;
    let mut all = vec!["let asked = Asked { dim, keepdim, other, axis, keepdims };".to_owned()];
    let x = if form == Form::Method { "&self.inner" } else { "&x.0" };
    if form == Form::Function {
        all.push("if !asked.is_pairwise() {\n        settle(None, [Some(&mut x.0)])?;\n    }".into());
    }
    all.push(format!("extreme(py, {x}, {python:?}, asked, (ops::{whole}, ops::{function}, ops::{pairwise}))"));
    all
}
