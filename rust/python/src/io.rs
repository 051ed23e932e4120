//! Tensors in files, in the safetensors format.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use pyo3::exceptions::{PyMemoryError, PyOSError, PyTypeError, PyValueError};
use pyo3::types::PyDict;
use rgrad_engine::{DType, Tensor, ops};
use rgrad_kernels::buffer::room_for;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::entry::prelude::*;
use crate::error::to_py;
use crate::tensor::PyTensor;

fn to_file(d: DType) -> Dtype {
    match d {
        DType::Float32 => Dtype::F32,
        DType::Float64 => Dtype::F64,
        DType::Int64 => Dtype::I64,
        DType::Int32 => Dtype::I32,
        DType::UInt8 => Dtype::U8,
        DType::Bool => Dtype::BOOL,
    }
}

/// The elements as the file holds them: row-major and little-endian.
fn bytes(t: &Tensor) -> rgrad_engine::Result<Vec<u8>> {
    match t.dtype() {
        DType::Float32 => encoded(&t.to_vec::<f32>()?, f32::to_le_bytes),
        DType::Float64 => encoded(&t.to_vec::<f64>()?, f64::to_le_bytes),
        DType::Int64 => encoded(&t.to_vec::<i64>()?, i64::to_le_bytes),
        DType::Int32 => encoded(&t.to_vec::<i32>()?, i32::to_le_bytes),
        DType::UInt8 | DType::Bool => t.to_vec::<u8>(),
    }
}

fn encoded<const N: usize, T: Copy>(elements: &[T], to: fn(T) -> [u8; N]) -> rgrad_engine::Result<Vec<u8>> {
    let mut bytes = room_for(N * elements.len())?;
    bytes.extend(elements.iter().flat_map(|&x| to(x)));
    Ok(bytes)
}

fn os_error(what: &str, path: &Path, e: &std::io::Error) -> PyErr {
    let message = format!("cannot {what} {}: {e}", path.display());
    if e.kind() == ErrorKind::OutOfMemory {
        return PyMemoryError::new_err(message);
    }
    match e.raw_os_error() {
        // With its number, Python makes the exact subclass of it: FileNotFoundError, PermissionError, …
        Some(number) => PyOSError::new_err((number, message)),
        None => PyOSError::new_err(message),
    }
}

/// The entries of a dict of tensors.
fn named(dict: &Bound<'_, PyAny>) -> PyResult<BTreeMap<String, Tensor>> {
    if let Ok(dict) = dict.cast::<PyDict>()
        && let Some((key, _)) = dict.iter().find(|(key, _)| key.extract::<String>().is_err())
    {
        return Err(PyTypeError::new_err(format!(
            "save: a name must be a string of Unicode text, got {}",
            key.repr()?
        )));
    }
    let entries = dict.extract::<BTreeMap<String, Bound<'_, PyAny>>>().map_err(|_| {
        let name = dict.get_type().name().map_or_else(|_| String::new(), |n| n.to_string());
        PyTypeError::new_err(format!("save: expected a dict of tensors by name, got {name}"))
    })?;
    if entries.contains_key("__metadata__") {
        let why = "save: the file format keeps the name \"__metadata__\" for itself; choose another";
        return Err(PyValueError::new_err(why));
    }
    let tensor = |(name, item): (String, Bound<'_, PyAny>)| {
        let Ok(t) = item.cast::<PyTensor>() else {
            let kind = item.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "save: entry {name:?} is {kind}, not a tensor; pickle keeps anything, such as an optimizer's state"
            )));
        };
        let t = t.get().inner.clone();
        Ok((name, t))
    };
    entries.into_iter().map(tensor).collect()
}

/// More than what a file's header says of a tensor, its name left out.
const HEADER_BYTES: usize = 1024;

/// Writes a dict of tensors to a safetensors file. The file appears when it is complete, or not at all.
///
/// `TypeError` if a name is no string or a value no tensor, `ValueError` for the name `__metadata__`, which is the format's,
/// `OSError` if the file cannot be written.
#[pyfunction]
#[pyo3(signature = (tensors: "dict[str, Tensor]", path))]
pub fn save(#[pyo3(from_py_with = named)] tensors: BTreeMap<String, Tensor>, path: PathBuf) -> PyResult<()> {
    let mut held = Vec::new();
    for (name, t) in &tensors {
        held.push((name, t.dtype(), t.shape().to_vec(), bytes(t).map_err(to_py)?));
    }
    let mut views = Vec::new();
    for (name, dtype, shape, data) in &held {
        let view = TensorView::new(to_file(*dtype), shape.clone(), data);
        views.push((name.as_str(), view.map_err(|e| PyValueError::new_err(format!("save: {e}")))?));
    }
    // The library that lays out the file would end the process if there is no memory for it.
    let size: usize = held.iter().map(|(.., data)| data.len() + HEADER_BYTES).sum();
    room_for::<u8>(size).map_err(|e| to_py(e.into()))?;
    let content = safetensors::serialize(views, None).map_err(|e| PyValueError::new_err(format!("save: {e}")))?;
    let mut aside = path.clone().into_os_string();
    aside.push(format!(".{}.part", std::process::id()));
    let aside = PathBuf::from(aside);
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::new(fs::File::create(&aside)?);
        file.write_all(&content)?;
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&aside, &path)
    };
    write().map_err(|e| {
        let _ = fs::remove_file(&aside);
        os_error("write", &path, &e)
    })
}

/// Reads a safetensors file into a dict of tensors. Half precision, F16 and BF16, becomes float32, which holds all its values.
///
/// `OSError` if the file cannot be read, `ValueError` if it is not whole, `TypeError` if it holds a dtype that rgrad does
/// not have.
#[pyfunction]
#[pyo3(signature = (path))]
pub fn load(path: PathBuf) -> PyResult<HashMap<String, PyTensor>> {
    let content = fs::read(&path).map_err(|e| os_error("read", &path, &e))?;
    let refuse = |e: &dyn std::fmt::Display| {
        PyValueError::new_err(format!("{} is not a whole safetensors file: {e}", path.display()))
    };
    let file = SafeTensors::deserialize(&content).map_err(|e| refuse(&e))?;
    let mut out = HashMap::new();
    for (name, view) in file.tensors() {
        let (data, shape) = (view.data(), view.shape());
        let t = match view.dtype() {
            Dtype::F32 => whole(data, f32::from_le_bytes).and_then(|x| Tensor::from_slice(&x, shape)),
            Dtype::F16 => whole(data, |b| half(u16::from_le_bytes(b))).and_then(|x| Tensor::from_slice(&x, shape)),
            // The upper half of a float32.
            Dtype::BF16 => whole(data, |[low, high]| f32::from_le_bytes([0, 0, low, high]))
                .and_then(|x| Tensor::from_slice(&x, shape)),
            Dtype::F64 => whole(data, f64::from_le_bytes).and_then(|x| Tensor::from_slice(&x, shape)),
            Dtype::I64 => whole(data, i64::from_le_bytes).and_then(|x| Tensor::from_slice(&x, shape)),
            Dtype::I32 => whole(data, i32::from_le_bytes).and_then(|x| Tensor::from_slice(&x, shape)),
            Dtype::U8 => Tensor::from_slice(data, shape),
            Dtype::BOOL => Tensor::from_slice(data, shape).and_then(|t| ops::cast(&t, DType::Bool)),
            other => {
                let path = path.display();
                return Err(PyTypeError::new_err(format!(
                    "{path}: {name} has elements of {other:?}, which rgrad lacks"
                )));
            }
        };
        out.insert(name, t.map_err(to_py)?.into());
    }
    Ok(out)
}

/// The value of an IEEE 754 binary16, exactly; NaN keeps its sign and its payload, in the upper bits.
fn half(bits: u16) -> f32 {
    let (sign, rest) = (u32::from(bits & 0x8000) << 16, u32::from(bits & 0x7FFF) << 13);
    let size = match rest >> 23 {
        31 => rest | 0x7F80_0000,
        // Subnormal numbers are multiples of 2⁻²⁴, normal ones have another bias of the exponent: 15 instead of 127.
        0 => ((rest >> 13) as f32 / 16_777_216.0).to_bits(),
        _ => rest + ((127 - 15) << 23),
    };
    f32::from_bits(sign | size)
}

fn whole<const N: usize, T>(data: &[u8], from: fn([u8; N]) -> T) -> rgrad_engine::Result<Vec<T>> {
    let mut elements = room_for(data.len() / N)?;
    elements.extend(data.as_chunks::<N>().0.iter().map(|b| from(*b)));
    Ok(elements)
}
