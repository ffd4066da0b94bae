"""Fakes of the kernel, as part of the product: file trees that look like its sysfs, and writes that it would answer."""
