import VARForcedRun
import VARLite
import VARModels
import VQ4Format

extension Canaries {
  /// Takes canaries: of the original weights what layers should give, of the model's own what they give.
  ///
  /// - Parameters:
  ///   - model: what the canaries are for.
  ///   - original: the same model with the weights of its checkpoint.
  ///   - converter: program and version.
  ///   - options: where the original weights are is the source's own business.
  package static func taken(
    of model: Model, original: Model, converter: String, _ options: ForcedRun.Options
  ) throws -> Canaries {
    let item = try CanaryCase(model)
    let recorder = CanaryWatcher(recording: original)
    let bits = try CanaryRun(original, item, options.labelled("originals")).run(recorder)
    var canaries = Canaries(
      converter: converter, ids: item.ids, patches: item.patches, pixels: item.pixels, bits: bits,
      tensorHashes: model.file.tensorHashes, outputs: recorder.outputs)
    var own = options.labelled("model")
    own.kvType = model.kvType
    let watcher = CanaryWatcher(comparing: model, with: recorder.outputs)
    _ = try CanaryRun(model, item, own).run(watcher, bits: bits)
    for (index, finding) in watcher.findings.enumerated() {
      canaries.outputs[index].digest = finding.digest
      let error = Float(finding.difference.error)
      canaries.outputs[index].error = error.isFinite ? error : .greatestFiniteMagnitude
    }
    return canaries
  }

  /// What a file holds; nil where it has none.
  ///
  /// - Throws: `VQ4Error` of the attachment, `VARLiteError` of its content.
  package init?(in file: VQ4File) throws {
    guard let bytes = try file.attachment(Self.attachmentName) else { return nil }
    do throws(VARLiteError) {
      try self.init(parsing: bytes)
    } catch {
      throw VARLiteError(.model, "\(file.path): \(error)")
    }
  }
}

extension ForcedRun.Options {
  /// The same with a word before each step.
  func labelled(_ label: String) -> ForcedRun.Options {
    var options = self
    let progress = progress
    options.progress = { progress("canaries, \(label), \($0)", $1, $2) }
    return options
  }
}
