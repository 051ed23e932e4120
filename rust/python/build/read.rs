//! The operations of the engine, as its sources have them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proc_macro2::{Ident, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Expr, FnArg, Item, LitStr, Meta, ReturnType, Signature, Token, Visibility, parenthesized, parse_quote,
};

/// A function that is marked `#[op]`.
pub struct Operation {
    /// The word behind `op(`: see `rgrad_macros::op`.
    pub kind: String,
    pub function: String,
    pub python: String,
    pub docs: Vec<String>,
    pub arguments: Vec<Argument>,
    /// What is in the `Result`.
    pub returns: String,
    /// Whether the elements may be cast before.
    pub dtype: bool,
    /// The functions of the other two forms of an extremum.
    pub whole: String,
    pub pairwise: String,
}

pub struct Argument {
    pub name: String,
    /// Without spaces, as `Option<&Tensor>`.
    pub ty: String,
    /// As Rust writes it.
    pub default: Option<String>,
    /// Whether its items may be given one by one.
    pub star: bool,
}

/// Those of a folder's files, by name.
pub fn operations(folder: &Path) -> Vec<Operation> {
    let mut all = Vec::new();
    collect(folder, &mut all);
    all.sort_by(|a, b| a.python.cmp(&b.python));
    all
}

fn collect(folder: &Path, all: &mut Vec<Operation>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect(&path, all);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            all.extend(of_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())));
        }
    }
}

fn of_file(text: &str) -> syn::Result<Vec<Operation>> {
    let mut all = Vec::new();
    for item in syn::parse_file(text)?.items {
        match item {
            Item::Fn(function) => all.extend(operation(&function.attrs, &function.sig)?),
            Item::Macro(table) if table.ident.is_none() => {
                for (attributes, signature) in rows.parse2(table.mac.tokens)? {
                    all.extend(operation(&attributes, &signature)?);
                }
            }
            _ => {}
        }
    }
    Ok(all)
}

/// The functions of a table of element-wise functions: `#[op(method)] pub fn add(x, other) = …;`, all of whose arguments are
/// tensors.
fn rows(input: ParseStream) -> syn::Result<Vec<(Vec<Attribute>, Signature)>> {
    let mut all = Vec::new();
    while !input.is_empty() {
        let attributes = input.call(Attribute::parse_outer)?;
        if attributes.iter().any(|attribute| attribute.path().is_ident("op")) {
            input.parse::<Visibility>()?;
            input.parse::<Token![fn]>()?;
            let (name, arguments) = (input.parse::<Ident>()?, arguments_of_row(input)?);
            all.push((attributes, parse_quote!(fn #name(#(#arguments: &Tensor),*) -> Result<Tensor>)));
        } else if !input.is_empty() {
            input.parse::<TokenTree>()?;
        }
    }
    Ok(all)
}

fn arguments_of_row(input: ParseStream) -> syn::Result<Vec<Ident>> {
    let inside;
    parenthesized!(inside in input);
    Ok(Punctuated::<Ident, Token![,]>::parse_terminated(&inside)?.into_iter().collect())
}

/// What stands in `#[op(…)]`.
struct Marker {
    kind: String,
    star: Option<String>,
    /// Options and defaults; an option without a value has an empty one.
    values: BTreeMap<String, String>,
}

impl Parse for Marker {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let kind = input.parse::<Ident>()?.to_string();
        let mut marker = Self { kind, star: None, values: BTreeMap::new() };
        while input.parse::<Option<Token![,]>>()?.is_some() {
            let star = input.parse::<Option<Token![*]>>()?.is_some();
            let name = input.parse::<Ident>()?.to_string();
            if star {
                marker.star = Some(name);
            } else {
                let equals = input.parse::<Option<Token![=]>>()?.is_some();
                let value = if equals { compact(input.parse::<Expr>()?) } else { String::new() };
                marker.values.insert(name, value);
            }
        }
        Ok(marker)
    }
}

/// The operation that a function is, if it is marked as one.
fn operation(attributes: &[Attribute], signature: &Signature) -> syn::Result<Option<Operation>> {
    let Some(attribute) = attributes.iter().find(|attribute| attribute.path().is_ident("op")) else { return Ok(None) };
    let Marker { kind, star, mut values } = attribute.parse_args()?;
    let mut arguments = Vec::new();
    for argument in &signature.inputs {
        let FnArg::Typed(argument) = argument else { unreachable!("functions have no self") };
        // One that the engine does not look at has an underscore there.
        let name = compact(&argument.pat).trim_start_matches('_').to_owned();
        let (default, is_star) = (values.remove(&name), star.as_ref() == Some(&name));
        arguments.push(Argument { name, ty: compact(&argument.ty), default, star: is_star });
    }
    let function = signature.ident.to_string();
    let mut option = |name: &str| values.remove(name).map(|value| value.trim_matches('"').to_owned());
    let operation = Operation {
        python: option("name").unwrap_or_else(|| function.clone()),
        dtype: option("dtype").is_some(),
        whole: option("whole").unwrap_or_default(),
        pairwise: option("pairwise").unwrap_or_default(),
        docs: docs(attributes)?,
        returns: returned(signature),
        kind,
        function,
        arguments,
    };
    match values.keys().next() {
        Some(name) => Err(syn::Error::new_spanned(attribute, format!("{name} is neither an argument nor an option"))),
        None => Ok(Some(operation)),
    }
}

/// What is in the `Result`.
fn returned(signature: &Signature) -> String {
    let ReturnType::Type(_, ty) = &signature.output else { return String::new() };
    let ty = compact(ty);
    ty.strip_prefix("Result<").and_then(|ty| ty.strip_suffix('>')).unwrap_or(&ty).to_owned()
}

/// The lines of the documentation.
fn docs(attributes: &[Attribute]) -> syn::Result<Vec<String>> {
    let mut lines = Vec::new();
    for attribute in attributes {
        if let Meta::NameValue(doc) = &attribute.meta
            && doc.path.is_ident("doc")
        {
            lines.push(syn::parse2::<LitStr>(doc.value.to_token_stream())?.value());
        }
    }
    Ok(lines)
}

fn compact(tokens: impl ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
}
