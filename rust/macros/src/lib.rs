//! `PyO3`'s attributes for what Python calls, with one thing added: the body of each function runs inside
//! `crate::entry::boundary`, which turns a panic into an exception. Its result becomes a `PyResult`, if it is none.

use proc_macro::TokenStream;
use proc_macro2::{Delimiter, Group, TokenTree};
use quote::quote;
use syn::{
    Attribute, Block, ImplItem, ItemFn, ItemImpl, Meta, ReturnType, Signature, Type, parse_macro_input, parse_quote,
};

/// `#[pyo3::pyfunction]` behind the boundary.
#[proc_macro_attribute]
pub fn pyfunction(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut function = parse_macro_input!(item as ItemFn);
    enclose(&mut function.sig, &mut function.block);
    show_defaults(&mut function.attrs);
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

fn enclosed(mut methods: ItemImpl) -> ItemImpl {
    for item in &mut methods.items {
        if let ImplItem::Fn(method) = item
            // Called by the garbage collector, which PyO3 answers without an exception.
            && method.sig.ident != "__traverse__"
        {
            enclose(&mut method.sig, &mut method.block);
        }
        if let ImplItem::Fn(method) = item {
            show_defaults(&mut method.attrs);
        }
    }
    methods
}

/// Lets `PyO3` see the default values of arguments that come out of a `macro_rules!` macro, which wraps them in groups without
/// delimiters: signatures would show `...`.
fn show_defaults(attributes: &mut [Attribute]) {
    for attribute in attributes.iter_mut().filter(|attribute| attribute.path().is_ident("pyo3")) {
        if let Meta::List(list) = &mut attribute.meta {
            list.tokens = without_groups(std::mem::take(&mut list.tokens));
        }
    }
}

fn without_groups(tokens: proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    let flat = |tree| match tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => without_groups(group.stream()),
        TokenTree::Group(group) => {
            let mut inner = Group::new(group.delimiter(), without_groups(group.stream()));
            inner.set_span(group.span());
            TokenTree::from(inner).into()
        }
        other => other.into(),
    };
    tokens.into_iter().map(flat).collect()
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
