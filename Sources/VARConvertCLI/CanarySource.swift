import VARCanaries
import VARConversion
import VARForcedRun
import VARKernels
import VARLite
import VARSharedCLI
import VQ4Format

/// A model and the same model with the weights of its checkpoint.
struct CanarySource {
  private let model, original: Model

  /// - Parameter path: where the file stands that was made.
  init(_ conversion: Conversion, _ path: String) throws {
    let runtime = try Runtime(
      options: Runtime.Options(threadCount: conversion.memory.threadCount))
    var options = Model.Options()
    options.readsAhead = false
    let file = try VQ4File(path: path)
    model = try Model(file, source: nil, options, runtime)
    let weights = try OriginalWeights(conversion, for: file, try runtime.threads())
    options.kvType = .f32
    original = try Model(file, source: weights, options, runtime)
  }

  func taken(_ options: ForcedRun.Options) throws -> Canaries {
    try Canaries.taken(
      of: model, original: original, converter: "varconvert \(PackageVersion.text)", options)
  }
}
