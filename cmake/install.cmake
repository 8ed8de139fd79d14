# make install: headers, library, tool, and the two ways to find them (CMake and pkg-config).
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tarn)
set(generated ${PROJECT_BINARY_DIR}/package)

install(TARGETS tarn EXPORT tarnTargets)
install(EXPORT tarnTargets NAMESPACE tarn:: DESTINATION ${package_dir})
install(DIRECTORY src/tarn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN *.h PATTERN *.def
        PATTERN kernels EXCLUDE PATTERN backends EXCLUDE)
if(TARGET tarn_cli)
  install(TARGETS tarn_cli)
endif()

configure_package_config_file(cmake/tarnConfig.cmake.in ${generated}/tarnConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
# Until 1.0 a minor version may change the interface.
write_basic_package_version_file(${generated}/tarnConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${generated}/tarnConfig.cmake ${generated}/tarnConfigVersion.cmake
              cmake/dependencies.cmake
        DESTINATION ${package_dir})

# A shared library carries its own dependencies; with a static one the user links them.
if(BUILD_SHARED_LIBS)
  set(pc_requires "")
  set(pc_libs "-ltarn -pthread")
else()
  set(pc_requires "libhwy fmt lapacke openblas")
  set(pc_libs "-ltarn -ldnnl -pthread")
endif()
file(RELATIVE_PATH pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/tarn.pc.in ${generated}/tarn.pc @ONLY)
install(FILES ${generated}/tarn.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
