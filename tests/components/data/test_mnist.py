from fastrun.components.data.mnist import MNIST


def test_its_classes_are_the_digits_and_no_system_has_a_package_of_it():
    assert MNIST.classes == list("0123456789")
    assert MNIST.debian is None
