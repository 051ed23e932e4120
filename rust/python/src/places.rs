//! Guards on names: what a recorded function found by name (variables, attributes and entries of containers), with the values.
//!
//! `rgrad._compile.names` finds the names in the function's bytecode, and passes them as trees of tuples; [`PyPlaces::hold`]
//! looks all of them up again before each replay.

use pyo3::exceptions::{PyAttributeError, PyValueError};
use pyo3::intern;
use pyo3::types::{PyAnyMethods, PyDict, PyFloat, PyList, PyString, PyTuple, PyWeakrefMethods, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};

use crate::entry::prelude::*;
use crate::optim::PyGroup;

/// Where the lookup of a name starts.
enum Root {
    /// In the variables of a Python module.
    Global(Py<PyDict>, Py<PyAny>),
    /// In a variable of an enclosing function.
    Cell(Py<PyAny>),
    /// Not a variable: an object.
    Object(Py<PyWeakrefReference>),
}

impl Root {
    fn now<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self {
            Self::Global(all, name) => all.bind(py).get_item(name),
            // An empty cell is a `ValueError`.
            Self::Cell(cell) => match cell.bind(py).getattr(intern!(py, "cell_contents")) {
                Err(error) if !error.is_instance_of::<PyValueError>(py) => Err(error),
                found => Ok(found.ok()),
            },
            Self::Object(object) => Ok(object.bind(py).upgrade()),
        }
    }
}

/// A step from an object to a part of it.
enum Step {
    Attribute(Py<PyString>),
    Key(Py<PyAny>),
    Index(usize),
}

impl Step {
    fn now<'py>(&self, holder: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self {
            Self::Attribute(name) => match holder.getattr(name) {
                Err(error) if !error.is_instance_of::<PyAttributeError>(holder.py()) => Err(error),
                found => Ok(found.ok()),
            },
            Self::Key(key) => match holder.cast::<PyDict>() {
                Ok(dict) => dict.get_item(key),
                Err(_) => holder.cast::<PyGroup>()?.get().get(key.bind(holder.py())),
            },
            Self::Index(i) => match holder.cast::<PyList>() {
                Ok(list) => Ok(list.get_item(*i).ok()),
                Err(_) => Ok(holder.cast::<PyTuple>()?.get_item(*i).ok()),
            },
        }
    }
}

/// The value expected at a place. Tensors and modules are not kept alive.
enum Expected {
    Nothing,
    Object(Py<PyWeakrefReference>),
    Same(Py<PyAny>),
    /// A number or string, compared by type and value.
    Equal(Py<PyAny>),
    /// A container of this type and length; its entries are places of their own.
    Many(Py<PyAny>, usize),
    /// Any object of this type.
    Type(Py<PyAny>),
}

impl Expected {
    fn is(&self, now: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let Some(now) = now else { return Ok(matches!(self, Self::Nothing)) };
        let py = now.py();
        Ok(match self {
            Self::Nothing => false,
            Self::Object(own) => own.bind(py).upgrade().is_some_and(|own| own.is(now)),
            Self::Same(own) => own.bind(py).is(now),
            Self::Equal(own) => equal(own.bind(py), now)?,
            Self::Many(kind, len) => kind.bind(py).is(now.get_type()) && now.len()? == *len,
            Self::Type(kind) => kind.bind(py).is(now.get_type()),
        })
    }
}

/// Whether two numbers or strings are the same; floats must have the same bits.
pub(crate) fn equal(a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> PyResult<bool> {
    if a.is(b) {
        return Ok(true);
    }
    if let (Ok(a), Ok(b)) = (a.cast_exact::<PyFloat>(), b.cast_exact::<PyFloat>()) {
        return Ok(a.value().to_bits() == b.value().to_bits());
    }
    Ok(a.get_type().is(b.get_type()) && a.eq(b)?)
}

/// A place, with those reached from it.
struct Place {
    expected: Expected,
    number: usize,
    below: Vec<(Step, Self)>,
}

impl Place {
    /// From `(number, kind, value, [(step, key, place), …])`.
    fn new(from: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (number, kind, value, steps): (usize, String, Bound<'_, PyAny>, Vec<Bound<'_, PyTuple>>) =
            from.extract()?;
        let expected = match kind.as_str() {
            "nothing" => Expected::Nothing,
            "object" => Expected::Object(value.cast_into::<PyWeakrefReference>()?.unbind()),
            "equal" => Expected::Equal(value.unbind()),
            "many" => {
                let (kind, len): (Py<PyAny>, usize) = value.extract()?;
                Expected::Many(kind, len)
            }
            "type" => Expected::Type(value.unbind()),
            _ => Expected::Same(value.unbind()),
        };
        let mut below = Vec::with_capacity(steps.len());
        for one in steps {
            let (step, key, place): (String, Bound<'_, PyAny>, Bound<'_, PyAny>) = one.extract()?;
            let step = match step.as_str() {
                "attribute" => Step::Attribute(key.cast_into::<PyString>()?.unbind()),
                "index" => Step::Index(key.extract()?),
                _ => Step::Key(key.unbind()),
            };
            below.push((step, Self::new(&place)?));
        }
        Ok(Self { expected, number, below })
    }

    fn changed(&self, now: Option<&Bound<'_, PyAny>>, found: &mut dyn FnMut(usize) -> bool) -> PyResult<bool> {
        if !self.expected.is(now)? {
            return Ok(found(self.number));
        }
        let Some(now) = now else { return Ok(false) };
        for (step, place) in &self.below {
            if place.changed(step.now(now)?.as_ref(), found)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.expected {
            Expected::Same(own) | Expected::Equal(own) | Expected::Many(own, _) | Expected::Type(own) => {
                visit.call(own)?;
            }
            Expected::Object(own) => visit.call(own)?,
            Expected::Nothing => {}
        }
        for (step, place) in &self.below {
            if let Step::Key(key) = step {
                visit.call(key)?;
            }
            place.visit(visit)?;
        }
        Ok(())
    }
}

/// The places from which a function takes what it works with, and the values expected there.
#[pyclass(name = "_Places", module = "rgrad._core", frozen)]
pub struct PyPlaces {
    roots: Vec<(Root, Place)>,
    /// Modules that it may ask for attributes.
    pub(crate) modules: Vec<Py<PyWeakrefReference>>,
    /// The expression of each place in the program, by its number.
    #[pyo3(get)]
    names: Vec<String>,
}

impl PyPlaces {
    /// Calls `found` with the numbers of places whose value has changed, until it returns that this is enough.
    fn changed(&self, py: Python<'_>, found: &mut dyn FnMut(usize) -> bool) -> PyResult<()> {
        for (root, place) in &self.roots {
            if place.changed(root.now(py)?.as_ref(), found)? {
                break;
            }
        }
        Ok(())
    }

    /// Whether nothing has changed.
    pub(crate) fn hold(&self, py: Python<'_>) -> PyResult<bool> {
        let mut same = true;
        self.changed(py, &mut |_| {
            same = false;
            true
        })?;
        Ok(same)
    }

    /// The names of the places whose value has changed.
    pub(crate) fn changes(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let mut names = Vec::new();
        self.changed(py, &mut |number| {
            names.push(self.names[number].clone());
            false
        })?;
        Ok(names)
    }
}

#[pymethods]
impl PyPlaces {
    /// `roots` has `(kind, holder, name, place)` for each variable or object.
    #[new]
    #[pyo3(signature = (roots: "list[tuple[str, Any, Any, Any]]", modules: "list[Any]", names))]
    fn new(roots: Vec<Bound<'_, PyTuple>>, modules: Vec<Bound<'_, PyAny>>, names: Vec<String>) -> PyResult<Self> {
        let mut all = Vec::with_capacity(roots.len());
        for root in roots {
            let (kind, holder, name, place): (String, Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>) =
                root.extract()?;
            let root = match kind.as_str() {
                "global" => Root::Global(holder.cast_into::<PyDict>()?.unbind(), name.unbind()),
                "cell" => Root::Cell(holder.unbind()),
                _ => Root::Object(holder.cast_into::<PyWeakrefReference>()?.unbind()),
            };
            all.push((root, Place::new(&place)?));
        }
        let modules = modules.iter().map(|m| Ok(PyWeakrefReference::new(m)?.unbind())).collect::<PyResult<_>>()?;
        Ok(Self { roots: all, modules, names })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for (root, place) in &self.roots {
            match root {
                Root::Global(all, _) => visit.call(all)?,
                Root::Cell(cell) => visit.call(cell)?,
                Root::Object(object) => visit.call(object)?,
            }
            place.visit(&visit)?;
        }
        self.modules.iter().try_for_each(|module| visit.call(module))
    }
}
