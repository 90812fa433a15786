import VARJSON
import VARModels
import VQ4Format

/// The state as bytes, to store and to send:
///
///     16 bytes   XXH3-128 of all that follows, low half first
///      8 bytes   "VARDRAW1"
///      4 bytes   length of the header, little-endian
///     header     JSON: model, prompt, scales, settings, seed, tokens
///     bits       of each scale, eight a byte, the first in the lowest bit; each scale begins a byte
extension DrawingState {
  private static let mark = Array("VARDRAW1".utf8)
  /// A final grid of 512 x 512 tokens of 32 bits has a quarter of it; unpacked, each bit takes a byte.
  private static let largestByteCount = 4 << 20

  /// The state as a file has it.
  public var serialized: [UInt8] {
    let header = Array(JSONValue.object(self.header).text.utf8)
    var body = Self.mark
    withUnsafeBytes(of: UInt32(header.count).littleEndian) { body.append(contentsOf: $0) }
    body += header
    for scale in bits { body += Self.packed(scale) }
    let hash = body.withUnsafeBytes { VQ4Hash(of: $0) }
    return withUnsafeBytes(of: (hash.low.littleEndian, hash.high.littleEndian)) { Array($0) } + body
  }

  /// Reads what ``serialized`` wrote.
  ///
  /// - Throws: an error of the category `file` for bytes that are damaged, cut, or something else.
  public init(serialized bytes: [UInt8]) throws(VARLiteError) {
    guard bytes.count >= 28, bytes.count <= Self.largestByteCount,
      Array(bytes[16..<24]) == Self.mark
    else { throw VARLiteError(.file, "these bytes are no saved drawing") }
    let hash = bytes[16...].withUnsafeBytes { VQ4Hash(of: $0) }
    let stored = bytes.withUnsafeBytes {
      ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
    guard hash.low == UInt64(littleEndian: stored.0), hash.high == UInt64(littleEndian: stored.1)
    else { throw Self.damaged("its hash does not fit") }
    let length = bytes.withUnsafeBytes {
      Int(UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 24, as: UInt32.self)))
    }
    guard length <= bytes.count - 28,
      let header = try? JSONValue(parsing: Array(bytes[28..<28 + length]))
    else { throw Self.damaged("its header is none") }
    try self.init(header: header, packed: bytes[(28 + length)...])
  }

  private static func damaged(_ what: String) -> VARLiteError {
    VARLiteError(.file, "the saved drawing is damaged: \(what)")
  }

  private var header: JSONObject {
    func numbers(_ values: [Int]) -> JSONValue { .array(values.map { .integer($0) }) }
    var header = JSONObject([
      ("model", .string(model)), ("prompt", .string(promptHash)), ("kv", .string(kvType.rawValue)),
      ("scales", .array(schedule.scales.map { numbers([$0.height, $0.width]) })),
      ("rope_reference", numbers([schedule.ropeReference.height, schedule.ropeReference.width])),
      ("cfg_scale", .number(cfgScale)), ("tau", .number(tau)), ("top_p", .number(topP)),
      ("greedy", .bool(isGreedy)), ("seed", .string(String(seed))),
      ("answer", numbers(answerTokens.map(Int.init))), ("bits", numbers(bits.map(\.count))),
    ])
    if guidedScaleCount < schedule.scales.count {
      header["guided_scales"] = .integer(guidedScaleCount)
    }
    if denseScaleCount < schedule.scales.count {
      header["dense_scales"] = .integer(denseScaleCount)
    }
    return header
  }

  private init(header: JSONValue, packed: ArraySlice<UInt8>) throws(VARLiteError) {
    func integers(_ value: JSONValue?) -> [Int]? {
      guard let values = value?.arrayValue else { return nil }
      let integers = values.compactMap(\.integerValue)
      return integers.count == values.count ? integers : nil
    }
    func grid(_ value: JSONValue?) -> GridSize? {
      guard let sides = integers(value), sides.count == 2,
        sides.allSatisfy({ (1...4096).contains($0) })
      else { return nil }
      return GridSize(height: sides[0], width: sides[1])
    }
    let scales = header["scales"]?.arrayValue?.compactMap(grid) ?? []
    func leadingScales(_ key: String) -> Int {
      header[key].map { $0.integerValue ?? 0 } ?? scales.count
    }
    let (guided, dense) = (leadingScales("guided_scales"), leadingScales("dense_scales"))
    guard let model = header["model"]?.stringValue, let prompt = header["prompt"]?.stringValue,
      !scales.isEmpty, scales.count == header["scales"]?.arrayValue?.count,
      let reference = grid(header["rope_reference"]),
      let kvType = header["kv"]?.stringValue.flatMap({ KVType(rawValue: $0) }),
      let cfgScale = header["cfg_scale"]?.doubleValue, let tau = header["tau"]?.doubleValue,
      let topP = header["top_p"]?.doubleValue, let isGreedy = header["greedy"]?.boolValue,
      let seed = header["seed"]?.stringValue.flatMap({ UInt64($0) }),
      let answer = integers(header["answer"]), let counts = integers(header["bits"]),
      answer.allSatisfy({ Int32(exactly: $0) != nil }), counts.count <= scales.count,
      counts.allSatisfy({ $0 >= 0 && $0 <= packed.count * 8 }),
      (1...scales.count).contains(guided), (1...scales.count).contains(dense)
    else { throw Self.damaged("its header is not complete") }
    self.model = model
    promptHash = prompt
    self.kvType = kvType
    schedule = ScaleSchedule(scales: scales, ropeReference: reference)
    (self.cfgScale, self.tau, self.topP) = (cfgScale, tau, topP)
    self.isGreedy = isGreedy
    (guidedScaleCount, denseScaleCount) = (guided, dense)
    self.seed = seed
    answerTokens = answer.map { Int32($0) }
    guard counts.reduce(0, { $0 + ($1 + 7) / 8 }) == packed.count else {
      throw Self.damaged("it has \(packed.count) bytes of bits")
    }
    bits = []
    var start = packed.startIndex
    for count in counts {
      bits.append((0..<count).map { packed[start + $0 / 8] >> ($0 % 8) & 1 })
      start += (count + 7) / 8
    }
  }

  private static func packed(_ bits: [UInt8]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: (bits.count + 7) / 8)
    for (index, bit) in bits.enumerated() where bit != 0 { bytes[index / 8] |= 1 << (index % 8) }
    return bytes
  }
}

extension Response.Settings.Drawing {
  /// The settings as a picture's file has them.
  func json(seed: UInt64, kvType: KVType) -> String {
    var object = JSONObject([
      ("seed", .string(String(seed))), ("cfg_scale", .number(cfgScale)), ("tau", .number(tau)),
      ("top_p", .number(topP)), ("greedy", .bool(isGreedy)), ("kv", .string(kvType.rawValue)),
    ])
    if guidedScaleCount < scaleCount { object["guided_scales"] = .integer(guidedScaleCount) }
    if denseScaleCount < scaleCount { object["dense_scales"] = .integer(denseScaleCount) }
    return JSONValue.object(object).text
  }
}
