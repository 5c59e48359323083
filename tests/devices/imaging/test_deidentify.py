"""The copy for the work area: nothing of the patient in it, the same volume, the same bytes every time."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from devices.imaging.base import ImagingRefused
from devices.imaging.deidentify import deidentify, mapped_uid
from devices.imaging.intake import read_images
from devices.imaging.nifti import write_nifti
from tests.devices.conftest import RealData
from tests.devices.imaging.making import change, make_series, make_volume

pytestmark = pytest.mark.requirement("G-IMG-03")
KEY = b"a key of the house, kept in a vault"
SECRETS = ("Mustermann", "Erika", "P-0815", "19640812", "Dr. Brinkmann", "Klinik", "Tattoo")


def _identifying(folder: Path) -> Path:
    for path in make_series(folder):
        item = Dataset()
        item.PatientName = "Mustermann^Erika"
        change(
            path,
            PatientComments="Tattoo on the left arm",
            InstitutionName="Klinik am See",
            ReferringPhysicianName="Dr. Brinkmann",
            SeriesDescription="Mustermann head",
            RequestAttributesSequence=Sequence([item]),
            ManufacturerModelName="Mustermann",
            ConvolutionKernel="for Mustermann, Erika, born 12.08.1964, seen by Dr. Brinkmann in Klinik am See",
        )
        dataset = dcmread(path)
        dataset.private_block(0x0011, "VENDOR", create=True).add_new(1, "LO", "Mustermann")
        dataset.PixelData += b"behind the pixels: Mustermann"
        dataset.preamble = b"MZ" + b"Mustermann".ljust(126, b"\0")
        dataset.save_as(path)
    return folder


def test_no_secret_survives_and_the_volume_does(tmp_path: Path) -> None:
    source = _identifying(tmp_path / "s")
    images = read_images(source)
    report = deidentify(images, source, tmp_path / "clean.zip", key=KEY, names=lambda text: "Muster" in text)
    data = (tmp_path / "clean.zip").read_bytes()
    assert not [secret for secret in SECRETS if secret.encode() in data]
    again = read_images(tmp_path / "clean.zip")
    assert np.array_equal(images.volume.voxels, again.volume.voxels)
    assert np.array_equal(images.volume.positions, again.volume.positions)
    assert again.identity.patient_id is None
    assert again.identity.family_name is None
    assert report.files == 6
    assert report.removed["PatientComments"] == report.removed["PrivateElement"] / 2 == 6
    assert report.removed["ConvolutionKernel"] == 6
    assert report.mapped["SeriesInstanceUID"] == 6
    assert report.kept["PixelData"] == 6


def test_the_copy_is_marked_and_its_uids_are_new_and_consistent(tmp_path: Path) -> None:
    source = _identifying(tmp_path / "s")
    deidentify(read_images(source), source, tmp_path / "clean.zip", key=KEY)
    original = {str(dcmread(path).SeriesInstanceUID) for path in source.iterdir()}
    with zipfile.ZipFile(tmp_path / "clean.zip") as archive:
        files = [archive.read(name) for name in archive.namelist()]
    datasets = [dcmread(BytesIO(data)) for data in files]
    assert all(data[:128] == b"\0" * 128 for data in files)
    assert {d.PatientIdentityRemoved for d in datasets} == {"YES"}
    assert all(
        d.DeidentificationMethod and d.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
        for d in datasets
    )
    assert {str(d.SeriesInstanceUID) for d in datasets} == {mapped_uid(KEY, original.pop())}
    assert len({str(d.SOPInstanceUID) for d in datasets}) == 6
    assert all(d.SOPInstanceUID == d.file_meta.MediaStorageSOPInstanceUID for d in datasets)


def test_the_same_images_and_key_give_the_same_bytes(tmp_path: Path) -> None:
    source = _identifying(tmp_path / "s")
    images = read_images(source)
    one = deidentify(images, source, tmp_path / "1.zip", key=KEY)
    two = deidentify(images, source, tmp_path / "2.zip", key=KEY)
    other = deidentify(images, source, tmp_path / "3.zip", key=KEY[::-1])
    assert one.sha256 == two.sha256 != other.sha256
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_changed_images_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    source = _identifying(tmp_path / "s")
    images = read_images(source)
    change(next(source.iterdir()), PatientComments="other")
    with pytest.raises(ImagingRefused) as caught:
        deidentify(images, source, tmp_path / "clean.zip", key=KEY)
    assert caught.value.codes == ("source_changed",)
    assert sorted(tmp_path.iterdir()) == [source]


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    source = _identifying(tmp_path / "s")
    with pytest.raises(ValueError, match="16 bytes"):
        deidentify(read_images(source), source, tmp_path / "clean.zip", key=b"short")


def test_a_niftis_free_text_is_blanked_and_what_lies_behind_it_left(tmp_path: Path) -> None:
    volume = make_volume()
    write_nifti(volume, tmp_path / "a.nii")
    image: Any = nib.load(tmp_path / "a.nii")
    image.header["descrip"] = b"Mustermann"
    image.header["db_name"] = b"Erika"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"P-0815 Klinik"))
    (tmp_path / "b.nii").write_bytes(image.to_bytes() + b"Dr. Brinkmann")
    images = read_images(tmp_path / "b.nii")
    report = deidentify(images, tmp_path / "b.nii", tmp_path / "clean.nii", key=KEY)
    data = (tmp_path / "clean.nii").read_bytes()
    assert not [secret for secret in SECRETS if secret.encode() in data]
    assert report.removed["extensions"] == report.removed["descrip"] == 1
    again = read_images(tmp_path / "clean.nii").volume
    assert np.array_equal(images.volume.voxels, again.voxels)
    assert np.allclose(images.volume.positions, again.positions)


def test_a_nifti_2_has_a_free_text_more(tmp_path: Path) -> None:
    write_nifti(make_volume(), tmp_path / "a.nii")
    image: Any = nib.load(tmp_path / "a.nii")
    later: Any = nib.Nifti2Image.from_image(image)
    later.header["unused_str"] = b"Mustermann"
    (tmp_path / "b.nii").write_bytes(later.to_bytes())
    deidentify(read_images(tmp_path / "b.nii"), tmp_path / "b.nii", tmp_path / "clean.nii", key=KEY)
    assert b"Mustermann" not in (tmp_path / "clean.nii").read_bytes()


@pytest.mark.parametrize(
    "name", ["totalsegmentator-ct/example_ct_dicom", "dcmqi-seg/segmentations/24x38x3/multiframe/mf.dcm"]
)
@pytest.mark.usefixtures("tiny_series")
def test_real_compressed_and_multi_frame_images_stay_readable(
    real_data: RealData, tmp_path: Path, name: str
) -> None:
    source = real_data(name)
    images = read_images(source)
    deidentify(images, source, tmp_path / "clean.zip", key=KEY)
    again = read_images(tmp_path / "clean.zip")
    assert np.array_equal(images.volume.voxels, again.volume.voxels)
    assert np.allclose(images.volume.positions, again.volume.positions)
    assert again.volume.acquisition.transfer_syntax == images.volume.acquisition.transfer_syntax


def test_scaled_niftis_keep_their_values(real_data: RealData, tmp_path: Path) -> None:
    source = real_data("totalsegmentator-ct/example_ct_sm.nii.gz")
    images = read_images(source)
    deidentify(images, source, tmp_path / "clean.nii", key=KEY)
    assert np.array_equal(images.volume.voxels, read_images(tmp_path / "clean.nii").volume.voxels)
