import VARJSON
import VARModels
import VQ4Format

/// What a model file holds, for people.
package struct ModelSummary {
  private struct Row {
    var elements = 0
    var bytes = 0
    var stored = 0
    var types: [String: Int] = [:]
  }

  private let model: Model
  private let components: [(name: String, row: Row)]

  package init(_ model: Model) {
    self.model = model
    var rows: [TensorSpecification.Component: Row] = [:]
    for specification in model.tensors {
      guard let index = model.file.tensorIndex(named: specification.name) else { continue }
      let description = model.file.tensors[index].description
      rows[specification.component, default: Row()].elements += description.elementCount
      rows[specification.component]!.bytes += description.byteCount
      rows[specification.component]!.stored += model.file.storedByteCount(index)
      rows[specification.component]!.types[Self.type(description), default: 0] +=
        description.elementCount
    }
    components = TensorSpecification.Component.allCases.compactMap { component in
      rows[component].map { (component.rawValue, $0) }
    }
  }

  private static func type(_ description: VQ4TensorDescription) -> String {
    description.groupSize > 0
      ? "\(description.elementType)/\(description.groupSize)" : "\(description.elementType)"
  }

  private static func types(_ row: Row) -> [(key: String, value: Int)] {
    row.types.sorted { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }
  }

  private var facts: [(String, String)] {
    let configuration = model.configuration
    let language = configuration.languageModel
    let generator = configuration.generator
    let grid = configuration.schedule.finalGrid
    let stride = configuration.vae.stride
    return [
      ("file", model.path),
      ("format", "vq4 \(model.file.formatVersion)"),
      ("bytes", "\(model.file.byteCount)"),
      ("content hash", model.contentHash),
      ("language model", "\(language.numHiddenLayers) layers x \(language.hiddenSize)"),
      ("vision tower", "\(configuration.vision.depth) blocks x \(configuration.vision.embedDim)"),
      (
        "generator",
        "\(generator.depth) blocks x \(generator.embedDim), \(generator.codebookDim) bits per token"
      ),
      (
        "picture",
        "\(grid.width * stride)x\(grid.height * stride) px in "
          + "\(configuration.schedule.scales.count) scales"
      ),
      ("vocabulary", "\(model.tokenizer.vocabularySize) entries"),
      (
        "sampling",
        "cfg scale \(configuration.imageSampling.cfgScale), "
          + "tau \(configuration.imageSampling.tau), top-p \(configuration.imageSampling.topP)"
      ),
      ("canaries", canaries),
      (
        "previews",
        model.hasQuickPreviews ? "by the file's map of colours" : "by the picture decoder"
      ),
    ]
  }

  /// What a check holds the layers against.
  private var canaries: String {
    let attachment = model.file.attachments.first { $0.name == "canaries" }
    return attachment.map { "\($0.byteCount) bytes" } ?? "none"
  }

  package func text(withTensors: Bool) -> String {
    var lines = facts.map { Self.pad($0.0, 16) + $0.1.printable }
    lines.append("")
    lines.append(
      Self.pad("component", 16) + Self.pad("elements", 14) + Self.pad("bytes", 14)
        + Self.pad("in the file", 14) + "types")
    for (name, row) in components {
      let types = Self.types(row).map { "\($0.key) \($0.value * 100 / max(row.elements, 1)) %" }
      lines.append(
        Self.pad(name, 16) + Self.pad("\(row.elements)", 14) + Self.pad("\(row.bytes)", 14)
          + Self.pad("\(row.stored)", 14) + types.joined(separator: ", "))
    }
    if withTensors {
      lines.append("")
      for tensor in model.file.tensors {
        let description = tensor.description
        lines.append(
          Self.pad(tensor.name, 56) + Self.pad(Self.type(description), 9)
            + Self.pad("\(description.shape)", 22) + "\(description.byteCount)")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  package func json(withTensors: Bool) -> JSONValue {
    var object = JSONObject(facts.map { ($0.0, .string($0.1)) })
    object["bytes"] = .integer(model.file.byteCount)
    object["configuration"] = model.configuration.json
    object["components"] = .array(
      components.map { name, row in
        .object(
          JSONObject([
            ("name", .string(name)), ("elements", .integer(row.elements)),
            ("bytes", .integer(row.bytes)), ("stored_bytes", .integer(row.stored)),
            (
              "types",
              .object(JSONObject(Self.types(row).map { ($0.key, .integer($0.value)) }))
            ),
          ]))
      })
    if withTensors {
      object["tensors"] = .array(
        model.file.tensors.map { tensor in
          .object(
            JSONObject([
              ("name", .string(tensor.name)), ("type", .string(Self.type(tensor.description))),
              ("shape", .array(tensor.description.shape.map { .integer($0) })),
              ("bytes", .integer(tensor.description.byteCount)),
            ]))
        })
    }
    return .object(object)
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
}

extension VQ4File {
  /// Bytes of a tensor in the file, all streams.
  fileprivate func storedByteCount(_ tensor: Int) -> Int {
    VQ4StreamRole.allCases.reduce(0) { $0 + storedByteCount(tensor, $1) }
  }
}
