//! Tensors in files, in the safetensors format.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::types::PyDict;
use rgrad_engine::tensor::Scalar;
use rgrad_engine::{DType, Tensor, ops};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::entry::prelude::*;
use crate::error::{raised, room, run, to_py};
use crate::files::{begin, check_regular, finish, os_error};
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
fn bytes(t: &Tensor) -> PyResult<Vec<u8>> {
    fn each<T: Scalar, const N: usize>(t: &Tensor, to: fn(T) -> [u8; N]) -> PyResult<Vec<u8>> {
        let all = t.to_vec::<T>().map_err(to_py)?;
        let mut bytes = room(all.len() * N)?;
        bytes.extend(all.iter().flat_map(|&x| to(x)));
        Ok(bytes)
    }
    match t.dtype() {
        DType::Float32 => each(t, f32::to_le_bytes),
        DType::Float64 => each(t, f64::to_le_bytes),
        DType::Int64 => each(t, i64::to_le_bytes),
        DType::Int32 => each(t, i32::to_le_bytes),
        DType::UInt8 | DType::Bool => t.to_vec::<u8>().map_err(to_py),
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

/// Writes a dict of tensors to a safetensors file, atomically. An existing file keeps its permissions, and a symbolic link is
/// followed.
///
/// `TypeError` if a name is not a string or a value is not a tensor, `ValueError` for the name `__metadata__`, which the format
/// reserves, `OSError` if the file cannot be written, or is a folder, a device or a FIFO.
#[pyfunction]
#[pyo3(signature = (tensors: "dict[str, Tensor]", path))]
pub fn save(
    py: Python<'_>,
    #[pyo3(from_py_with = named)] tensors: BTreeMap<String, Tensor>,
    path: PathBuf,
) -> PyResult<()> {
    run(py, usize::MAX, || write(&tensors, &path).map_err(raised))
}

fn write(tensors: &BTreeMap<String, Tensor>, path: &Path) -> PyResult<()> {
    let refuse = |e: &dyn std::fmt::Display| PyValueError::new_err(format!("save: {e}"));
    // As the reference implementation does: wide elements first, so that all are aligned.
    let mut order: Vec<_> = tensors.iter().collect();
    order.sort_by_key(|(_, t)| Reverse(to_file(t.dtype())));
    let (mut infos, mut end) = (Vec::new(), 0);
    for (name, t) in &order {
        let begin = end;
        end += t.numel() * t.dtype().size();
        let info = TensorInfo { dtype: to_file(t.dtype()), shape: t.shape().to_vec(), data_offsets: (begin, end) };
        infos.push(((*name).clone(), info));
    }
    let header = Metadata::new(None, infos).map_err(|e| refuse(&e))?;
    let mut header = serde_json::to_vec(&header).map_err(|e| refuse(&e))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let (aside, target) = begin(path)?;
    let fill = || {
        let error = |e| os_error(&target, &e);
        let mut file = OpenOptions::new().write(true).open(&aside).map_err(error)?;
        file.write_all(&(header.len() as u64).to_le_bytes()).and_then(|()| file.write_all(&header)).map_err(error)?;
        for (_, t) in order {
            file.write_all(&bytes(t)?).map_err(error)?;
        }
        finish(&aside, &target)
    };
    fill().inspect_err(|_| {
        let _ = fs::remove_file(&aside);
    })
}

/// Reads a safetensors file into a dict of tensors, in the order of the file. F16 and BF16 are converted to float32, which holds
/// all of their values.
///
/// `OSError` if the file cannot be read, or is a folder, a device or a FIFO, `ValueError` if it is damaged, `TypeError` if it
/// has a dtype that rgrad lacks.
#[pyfunction]
#[pyo3(signature = (path) -> "dict[str, Tensor]")]
pub fn load(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    let out = PyDict::new(py);
    for (name, t) in run(py, usize::MAX, || read(&path).map_err(raised))? {
        out.set_item(name, PyTensor::from(t))?;
    }
    Ok(out)
}

fn read(path: &Path) -> PyResult<Vec<(String, Tensor)>> {
    let refuse = |why: String| {
        // Names may contain anything, even line breaks.
        let why: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
        PyValueError::new_err(format!("{} is not a whole safetensors file: {why}", path.display()))
    };
    let error = |e| os_error(path, &e);
    let found = fs::metadata(path).map_err(error)?;
    check_regular(path, &found)?;
    let mut file = File::open(path).map_err(error)?;
    let mut part = |what: &str, bytes: usize| {
        let mut data = room(bytes)?;
        (&mut file).take(bytes as u64).read_to_end(&mut data).map_err(error)?;
        if data.len() < bytes {
            return Err(refuse(format!("it ends after {} of the {bytes} bytes of {what}", data.len())));
        }
        Ok(data)
    };
    // The header is checked against the size of the file before anything large is read.
    let size = part("the header's length", 8)?;
    let size = u64::from_le_bytes(size.try_into().unwrap_or_default());
    let rest = found.len().saturating_sub(8);
    if size > rest {
        return Err(refuse(format!("its header would take {size} bytes, and {rest} bytes follow")));
    }
    let header = part("the header", size as usize)?;
    let header: Metadata =
        serde_json::from_slice(&header).map_err(|e| refuse(format!("its header cannot be understood: {e}")))?;
    let rest = rest - size;
    if header.data_len() as u64 != rest {
        return Err(refuse(format!("its header describes {} bytes of data, and {rest} follow", header.data_len())));
    }
    let mut tensors = Vec::new();
    for name in header.offset_keys() {
        let Some(info) = header.info(&name) else { continue };
        // Empty tensors, which take no bytes, may have any shape in a file.
        if info.shape.iter().try_fold(8_isize, |n, &size| n.checked_mul(isize::try_from(size.max(1)).ok()?)).is_none() {
            return Err(refuse(format!("the shape {:?} of {name} is too large", info.shape)));
        }
        let data = part(&name, info.data_offsets.1 - info.data_offsets.0)?;
        let t = tensor(&data, info).unwrap_or_else(|| {
            let text = format!("{}: {name:?} has elements of {:?}, which rgrad lacks", path.display(), info.dtype);
            Err(PyTypeError::new_err(text))
        })?;
        tensors.push((name, t));
    }
    Ok(tensors)
}

/// The tensor with these bytes; `None` for a dtype that rgrad lacks.
fn tensor(data: &[u8], info: &TensorInfo) -> Option<PyResult<Tensor>> {
    let shape = &info.shape;
    Some(match info.dtype {
        Dtype::F32 => whole(data, shape, f32::from_le_bytes),
        Dtype::F16 => whole(data, shape, |b| half(u16::from_le_bytes(b))),
        // The upper half of a float32.
        Dtype::BF16 => whole(data, shape, |[low, high]| f32::from_le_bytes([0, 0, low, high])),
        Dtype::F64 => whole(data, shape, f64::from_le_bytes),
        Dtype::I64 => whole(data, shape, i64::from_le_bytes),
        Dtype::I32 => whole(data, shape, i32::from_le_bytes),
        Dtype::U8 => whole(data, shape, |[byte]| byte),
        Dtype::BOOL => whole(data, shape, |[byte]| byte).and_then(|t| ops::cast(&t, DType::Bool).map_err(to_py)),
        _ => return None,
    })
}

/// The exact value of an IEEE 754 binary16; NaN keeps its sign and payload.
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

fn whole<const N: usize, T: Scalar>(data: &[u8], shape: &[usize], from: fn([u8; N]) -> T) -> PyResult<Tensor> {
    let mut all = room(data.len() / N)?;
    all.extend(data.as_chunks::<N>().0.iter().map(|b| from(*b)));
    Tensor::from_slice(&all, shape).map_err(to_py)
}
