//! The mark of an operation, [`op`]; and `PyO3`'s attributes for what Python calls, with one thing added: the body of each
//! function runs inside `crate::entry::boundary`, which turns a panic into an exception. Its result becomes a `PyResult`, if it
//! is none.

use proc_macro::TokenStream;
use quote::quote;
use syn::{Block, ImplItem, ItemFn, ItemImpl, ReturnType, Signature, Type, parse_macro_input, parse_quote};

/// `#[pyo3::pyfunction]` behind the boundary.
#[proc_macro_attribute]
pub fn pyfunction(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut function = parse_macro_input!(item as ItemFn);
    enclose(&mut function.sig, &mut function.block);
    let arguments = proc_macro2::TokenStream::from(arguments);
    quote!(#[::pyo3::pyfunction(#arguments)] #function).into()
}

/// `#[pyo3::pymethods]` with every method behind the boundary: attributes, operators and protocols among them.
#[proc_macro_attribute]
pub fn pymethods(_: TokenStream, item: TokenStream) -> TokenStream {
    let methods = enclosed(parse_macro_input!(item as ItemImpl));
    quote!(#[::pyo3::pymethods] #methods).into()
}

/// For an `impl` of `FromPyObject` or `IntoPyObject`: `PyO3` converts arguments and results outside the functions' bodies.
#[proc_macro_attribute]
pub fn conversion(_: TokenStream, item: TokenStream) -> TokenStream {
    let methods = enclosed(parse_macro_input!(item as ItemImpl));
    quote!(#methods).into()
}

/// Marks a function of the engine as an operation of Python's; it stays what it is. `rust/python/build` writes the Python side,
/// whose arguments have the same names and order, and whose documentation is that of the function.
///
/// `#[op(function)]` makes a function, and the others a method of `Tensor` as well:
///
/// - `#[op(method)]`;
/// - `#[op(reduction)]`, whose `dim` and `keepdim` are None and False by default, and may be called `axis` and `keepdims`;
/// - `#[op(cumulation)]`, which has only `dim`, and needs it;
/// - `#[op(extremum, whole = …, pairwise = …)]`: a reduction along one `dim`, that without one is the function `whole`, and
///   with another tensor the function `pairwise`.
///
/// Further items are defaults of arguments (`dim = -1`), `*shape` for an argument whose items may be given one by one, `dtype`
/// for one more argument of a reduction, the dtype to which elements are cast before, and `name = "where"`, if Python's
/// name is another.
#[proc_macro_attribute]
pub fn op(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}

fn enclosed(mut methods: ItemImpl) -> ItemImpl {
    for item in &mut methods.items {
        if let ImplItem::Fn(method) = item
            // Called by the garbage collector, which PyO3 answers without an exception.
            && method.sig.ident != "__traverse__"
        {
            enclose(&mut method.sig, &mut method.block);
        }
    }
    methods
}

fn enclose(signature: &mut Signature, block: &mut Block) {
    let made: Type = match &signature.output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, made) => (**made).clone(),
    };
    *block = if is_result(&made) {
        parse_quote!({ crate::entry::boundary(move || -> #made #block) })
    } else {
        signature.output = parse_quote!(-> ::pyo3::PyResult<#made>);
        parse_quote!({ crate::entry::boundary(move || ::pyo3::PyResult::Ok((move || -> #made #block)())) })
    };
}

/// Whether a type is a result by its name; `Out` is the one of the operations.
fn is_result(made: &Type) -> bool {
    match made {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            let name = last.ident.to_string();
            ["PyResult", "Result", "Out"].contains(&name.as_str())
        }),
        Type::Group(group) => is_result(&group.elem),
        _ => false,
    }
}
