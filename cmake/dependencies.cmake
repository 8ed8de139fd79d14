# Everything is a Debian package (tools/install_dependencies); nothing is downloaded here.
find_package(Threads REQUIRED)
find_package(hwy 1.0.3 REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(dnnl 2.6 REQUIRED)

# Debian's OpenBLASConfig.cmake has no target, and LAPACKE comes with pkg-config only.
find_package(PkgConfig REQUIRED)
pkg_check_modules(openblas REQUIRED IMPORTED_TARGET openblas)
pkg_check_modules(lapacke REQUIRED IMPORTED_TARGET lapacke)
