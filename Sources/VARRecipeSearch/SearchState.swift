import VARJSON
import VARLite
import VARQuantization
import VARSystem

/// What a search has measured so far, in a small JSON file beside the model that it is for: a stopped search goes on
/// with it, and a search for another size has nothing left to measure.
struct SearchState {
  /// What the figures depend on: of another identity nothing is taken.
  let identity: String
  /// Content hash of the unchanged model; empty before it is known.
  var modelHash = ""
  /// Bytes of a file besides weights, norms and biases, and of their chunks' records.
  var restByteCount = 0
  /// Bytes of norms, biases and constants in the file, by name.
  var vectorByteCounts: [String: Int] = [:]
  var weights: [String: MeasuredWeight] = [:]
  /// nil before it is known, and of a model that cannot draw.
  var drawing: DrawingMemory?
  /// By group and what it is stored as.
  var probes: [String: OutputChange] = [:]

  private static let version = 1
  private static let maximumByteCount = 64 << 20

  init(identity: String) { self.identity = identity }

  static func path(of output: String) -> String { output + ".search" }

  // MARK: Writing

  func write(to path: String) throws(VARLiteError) {
    let document = JSONValue.object(
      JSONObject([
        ("recipe_search", .integer(Self.version)), ("identity", .string(identity)),
        ("model", .string(modelHash)), ("rest_bytes", .integer(restByteCount)),
        ("drawing", drawing?.json ?? .null),
        (
          "vectors",
          .object(
            JSONObject(
              vectorByteCounts.sorted { $0.key < $1.key }.map { ($0.key, .integer($0.value)) }))
        ),
        (
          "weights",
          .object(
            JSONObject(weights.sorted { $0.key < $1.key }.map { ($0.key, Self.json($0.value)) }))
        ),
        (
          "probes",
          .object(
            JSONObject(probes.sorted { $0.key < $1.key }.map { ($0.key, Self.json($0.value)) }))
        ),
      ]))
    do throws(SystemError) {
      try WholeFile.write(Array((document.text + "\n").utf8), to: path)
    } catch {
      throw VARLiteError(.file, "\(path): cannot be written: \(error.message)\(error.advice)")
    }
  }

  private static func json(_ weight: MeasuredWeight) -> JSONValue {
    .object(
      JSONObject([
        ("compensated", .bool(weight.isCompensated)),
        ("probe_errors", .array(weight.probeErrors.map { .number($0) })),
        (
          "choices",
          .array(
            weight.choices.map { choice in
              .object(
                JSONObject([
                  ("precision", .string(choice.storage.precision.rawValue)),
                  ("group_size", .integer(choice.storage.groupSize)),
                  ("error", .number(choice.error)),
                  ("bytes", .array(choice.streamByteCounts.map { .integer($0) })),
                ]))
            })
        ),
      ]))
  }

  private static func json(_ change: OutputChange) -> JSONValue {
    .object(
      JSONObject([
        ("kl_per_bit", .number(change.klPerBit)), ("kl_per_token", .number(change.klPerToken)),
        ("equal_bits", .number(change.equalBits)),
      ]))
  }

  // MARK: Reading

  /// What an earlier search of the same identity left; nothing where there is none, or another one.
  ///
  /// - Throws: `VARLiteError` where the file is something else.
  static func read(_ path: String, identity: String) throws -> SearchState {
    let empty = SearchState(identity: identity)
    guard let status = FileStatus(path) else { return empty }
    let foreign = VARLiteError(
      .request, "\(path): is no state of a recipe search; move it away or name another output")
    guard status.kind == .regular,
      let bytes = try? WholeFile.read(path, atMost: maximumByteCount),
      let document = try? JSONValue(parsing: String(decoding: bytes, as: UTF8.self)),
      let version = document["recipe_search"]?.integerValue
    else { throw foreign }
    guard version == Self.version, document["identity"]?.stringValue == identity else {
      return empty
    }
    guard let state = SearchState(document, identity: identity) else { throw foreign }
    return state
  }

  private init?(_ document: JSONValue, identity: String) {
    self.identity = identity
    guard let hash = document["model"]?.stringValue,
      let rest = document["rest_bytes"]?.integerValue,
      let vectors = document["vectors"]?.objectValue,
      let weights = document["weights"]?.objectValue,
      let probes = document["probes"]?.objectValue
    else { return nil }
    (modelHash, restByteCount) = (hash, rest)
    drawing = DrawingMemory(document["drawing"])
    for (name, value) in vectors.members {
      guard let count = value.integerValue else { return nil }
      vectorByteCounts[name] = count
    }
    for (name, value) in weights.members {
      guard let weight = Self.weight(name, value) else { return nil }
      self.weights[name] = weight
    }
    for (name, value) in probes.members {
      guard let bits = value["kl_per_bit"]?.doubleValue,
        let tokens = value["kl_per_token"]?.doubleValue,
        let equal = value["equal_bits"]?.doubleValue
      else { return nil }
      self.probes[name] = OutputChange(klPerBit: bits, klPerToken: tokens, equalBits: equal)
    }
  }

  private static func weight(_ name: String, _ value: JSONValue) -> MeasuredWeight? {
    guard let isCompensated = value["compensated"]?.boolValue,
      let errors = value["probe_errors"]?.arrayValue?.compactMap(\.doubleValue), errors.count == 2,
      let list = value["choices"]?.arrayValue, !list.isEmpty
    else { return nil }
    var choices: [MeasuredStorage] = []
    for item in list {
      guard let precision = (item["precision"]?.stringValue).flatMap(Precision.init(rawValue:)),
        let groupSize = item["group_size"]?.integerValue, let error = item["error"]?.doubleValue,
        let bytes = item["bytes"]?.arrayValue?.compactMap(\.integerValue), bytes.count == 3
      else { return nil }
      choices.append(
        MeasuredStorage(
          storage: Storage(precision, groupSize: groupSize), error: error, streamByteCounts: bytes))
    }
    return MeasuredWeight(
      name: name, choices: choices, isCompensated: isCompensated, probeErrors: errors)
  }
}
