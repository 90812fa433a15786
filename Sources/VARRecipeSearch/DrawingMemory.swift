import VARConversion
import VARJSON
import VARLite
import VARModels
import VARQuantization
import VQ4Format

/// What a drawing takes in memory where the model is used in place in its mapped file: what `varlite plan` counts.
struct DrawingMemory: Equatable {
  /// A phase of the request: bytes of everything but weights, and the weights that it reads.
  struct Phase: Equatable {
    let byteCount: Int
    let weights: [String]
  }

  let phases: [Phase]

  init(_ phases: [Phase]) { self.phases = phases }

  /// Plans a drawing of the model's own size behind a prompt of 40 tokens.
  ///
  /// - Parameter ownByteCount: what this program has besides the model, and a program that only draws has not.
  init(_ model: Model, without ownByteCount: Int) throws {
    let plan = try model.plan(
      Request("", drawing: DrawingRequest()), promptTokens: Self.promptTokenCount)
    let blocks = model.sources.source(.map).blocks
    phases = plan.phases.map { phase in
      var names: [String] = []
      var byteCount = 0
      for part in phase.weights.pass.parts {
        for content in blocks?.contents(of: part) ?? [] {
          let name = model.file.tensors[content.tensor].description.name
          if names.last != name, !names.contains(name) { names.append(name) }
          byteCount += content.bytes.count
        }
      }
      return Phase(
        byteCount: plan.program.byteCount - ownByteCount + phase.byteCount - byteCount,
        weights: names)
    }
  }

  private static let promptTokenCount = 40

  /// Bytes of the phase that takes the most.
  ///
  /// - Parameter byteCounts: of tensors in memory.
  func byteCount(_ byteCounts: [String: Int]) -> Int {
    phases.map { phase in
      phase.weights.reduce(phase.byteCount) { $0 + (byteCounts[$1] ?? 0) }
    }.max() ?? 0
  }

  var json: JSONValue {
    .array(
      phases.map { phase in
        .object(
          JSONObject([
            ("bytes", .integer(phase.byteCount)),
            ("weights", .array(phase.weights.map { .string($0) })),
          ]))
      })
  }

  init?(_ json: JSONValue?) {
    guard let list = json?.arrayValue else { return nil }
    var phases: [Phase] = []
    for item in list {
      guard let byteCount = item["bytes"]?.integerValue,
        let names = item["weights"]?.arrayValue?.compactMap(\.stringValue)
      else { return nil }
      phases.append(Phase(byteCount: byteCount, weights: names))
    }
    self.phases = phases
  }
}

extension TensorSpecification {
  /// Bytes in memory.
  func byteCount(_ storage: Storage) -> Int {
    let description = VQ4TensorDescription(
      name: name, elementType: storage.precision.elementType,
      layout: kind == .table ? .table : .tiles, shape: shape, groupSize: storage.groupSize)
    return VQ4StreamRole.allCases.reduce(0) { $0 + description.byteCount(of: $1) }
  }
}
