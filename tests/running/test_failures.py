"""What fails at a sample or an image names its files, once."""

import pytest

from segsr_arch.errors import ConfigError, DataError, ValidationError
from segsr_arch.running.failures import SampleError, name_samples, naming_image


def data_set(error, **attributes):
    """An instance of a data set class whose every sample ends in an error, with names of samples."""

    class Failing:
        opt = {"name": "made"}

        def __len__(self):
            return 3

        def __getitem__(self, index):
            raise error

    for name, value in attributes.items():
        setattr(Failing, name, value)
    return name_samples(Failing)()


@pytest.mark.parametrize(
    ("attributes", "files"),
    [
        ({"paths": [{"lq_path": "lq/a.png", "gt_path": "gt/a.png"}]}, "lq/a.png, gt/a.png"),
        ({"paths": ["lq/a.png"]}, "lq/a.png"),
        ({"keys": ["clip/00001"]}, "clip/00001"),
        ({}, "a file that it does not name"),
        ({"paths": []}, "a file that it does not name"),
    ],
)
def test_the_files_of_a_sample_are_found_wherever_a_data_set_lists_them(attributes, files):
    with pytest.raises(SampleError) as caught:
        data_set(KeyError("band"), **attributes)[0]
    assert str(caught.value) == f"made: sample 0, of {files}: KeyError: 'band'"


def test_an_error_that_names_the_file_itself_passes_as_it_is():
    error = DataError("lq/a.png: it is cut short.")
    with pytest.raises(DataError) as caught:
        data_set(error, paths=["lq/a.png"])[0]
    assert caught.value is error


def test_iterating_over_a_data_set_ends_as_it_did():
    assert list(data_set(IndexError(3), __len__=lambda self: 0)) == []


def test_a_class_is_wrapped_once():
    made = type(data_set(ValueError()))
    read = made.__getitem__
    assert name_samples(made).__getitem__ is read


class Model:
    """Validates batches as BasicSR's models do."""

    def feed_data(self, data):
        self.fed = data

    @naming_image
    def validation(self, dataloader, error):
        for data in dataloader:
            if isinstance(data, Exception):
                raise data
            self.feed_data(data)
        raise error


def test_a_validation_that_fails_names_the_image_that_it_was_at():
    model, batches = Model(), [{"lq_path": ["a.png"]}, {"lq_path": ["b.png"], "gt_path": ["B.png"]}]
    with pytest.raises(ValidationError) as caught:
        model.validation(batches, RuntimeError("no\nyes"))
    assert str(caught.value) == "NoneType: validation failed, of B.png, b.png: RuntimeError: no"
    assert model.feed_data.__func__ is Model.feed_data


@pytest.mark.parametrize(
    ("batches", "error"),
    [
        ([], RuntimeError("before any image")),
        ([["no mapping"]], RuntimeError("of an image without a name")),
        ([{"lq_path": ["a.png"]}], ConfigError("val: is wrong.")),
        ([{"lq_path": ["a.png"]}], DataError("a.png: is wrong.")),
    ],
)
def test_what_is_no_fault_of_the_image_or_names_it_passes_as_it_is(batches, error):
    with pytest.raises(type(error)) as caught:
        Model().validation(batches, error)
    assert caught.value is error


def test_a_sample_that_cannot_be_made_is_not_blamed_on_the_image_before_it():
    with pytest.raises(DataError) as of_sample:
        data_set(DataError("b.png: is cut short."), paths=["b.png"])[0]
    with pytest.raises(DataError) as caught:
        Model().validation([{"lq_path": ["a.png"]}, of_sample.value], None)
    assert caught.value is of_sample.value
