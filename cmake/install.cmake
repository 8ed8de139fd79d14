install(TARGETS tarn EXPORT tarnTargets)
