import VARForcedRun
import VARKernels
import VARLite
import VARModels
import VQ4Format

/// Holds a model's layers against its canaries, and says whose fault it is where they differ.
///
///     digests equal, tensors the same ones           as designed
///     a tensor is another one                        the file is not what it was
///     digest differs, plain kernels give it          the fast kernels are wrong on this machine
///     digest differs, plain kernels' too             this program computes otherwise than the one that took them
///
/// The hashes of the file must have been checked before (`VQ4File.verify`).
package struct CanaryCheck {
  private let model: Model
  private let canaries: Canaries
  private let item: CanaryCase
  private let options: ForcedRun.Options

  /// - Throws: `VARLiteError` where the canaries are of a model of another shape.
  package init(
    _ model: Model, _ canaries: Canaries, _ options: ForcedRun.Options
  ) throws(VARLiteError) {
    self.model = model
    self.canaries = canaries
    item = try CanaryCase(canaries, model)
    var options = options
    options.kvType = model.kvType
    self.options = options
  }

  /// Bytes of memory that the check takes besides the program's.
  package var memoryByteCount: Int {
    get throws(VARLiteError) {
      // What was kept, the same as f32 for the layer at work, and what was found.
      let kept = canaries.outputs.reduce(0) { $0 + $1.values.count * $1.values.columns * 2 }
      let largest = canaries.outputs.map { $0.values.count * $0.values.columns }.max() ?? 0
      return try CanaryRun(model, item, options).memoryByteCount + 2 * kept
        + 8 * largest * MemoryLayout<Float>.stride
    }
  }

  package func run() throws -> CanaryReport {
    let otherTensors = otherTensors()
    let findings = try findings(model, options.labelled("layers"))
    let differing = zip(findings, canaries.outputs).filter { $0.digest != $1.digest }
    var plain: Set<String> = []
    let names = Set(differing.map { $0.0.name })
    if !names.isEmpty, model.runtime.options.instructionSet != .scalar {
      let scalar = try Model(
        model.file, source: nil, model.options,
        Runtime(
          options: Runtime.Options(
            threadCount: model.runtime.options.threadCount, instructionSet: .scalar)))
      let digests = Dictionary(
        canaries.outputs.map { ($0.name, $0.digest) }, uniquingKeysWith: { first, _ in first })
      for finding in try self.findings(scalar, options.labelled("plain kernels"), chosen: names)
      where digests[finding.name] == finding.digest {
        plain.insert(finding.name)
      }
    }
    return CanaryReport(
      converter: canaries.converter, instructionSet: model.runtime.options.instructionSet,
      layers: zip(findings, canaries.outputs).map { finding, output in
        CanaryReport.Layer(
          finding, output,
          state: finding.digest == output.digest
            ? .asMade : plain.contains(finding.name) ? .wrongKernels : .otherBits)
      }, otherTensors: otherTensors)
  }

  /// Names of the tensors that are not those that the canaries were taken from.
  private func otherTensors() -> [String] {
    let (hashes, tensors) = (model.file.tensorHashes, model.file.tensors)
    guard hashes.count == canaries.tensorHashes.count else { return tensors.map(\.name) }
    return tensors.indices.filter { hashes[$0] != canaries.tensorHashes[$0] }.map {
      tensors[$0].name
    }
  }

  private func findings(
    _ model: Model, _ options: ForcedRun.Options, chosen: Set<String>? = nil
  ) throws -> [CanaryWatcher.Finding] {
    let watcher = CanaryWatcher(comparing: model, with: canaries.outputs, chosen: chosen)
    do {
      _ = try CanaryRun(model, item, options).run(watcher, bits: canaries.bits)
    } catch let error as ModelError {
      throw VARLiteError(error)
    }
    return watcher.findings
  }
}
