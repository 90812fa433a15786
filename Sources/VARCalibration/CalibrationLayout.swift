import VARJSON
import VARLite
import VARModels
import VARQuantization

/// Where everything stands in a calibration file (`CalibrationFile`): known before anything is counted, so that each
/// input can be written as soon as its layer is done.
struct CalibrationLayout {
  struct Input {
    let name: String
    let cols: Int
    let blockCols: Int
    var triangleCount: Int { SecondMoments.valueCount(cols: cols, blockCols: blockCols) }
  }

  /// Tensors of an input, in the order of the file.
  private static let endings = ["", ".means", ".largest", ".counts"]
  /// As many characters as the hash of the content has.
  static let noContent = String(repeating: "0", count: 32)

  let inputs: [Input]
  let blockCols: Int
  let modelHash: String

  /// The layout for all inputs of a model.
  init(_ model: Model, blockCols: Int) {
    let inputs = model.tensors.filter {
      $0.kind == .matrix && $0.input == $0.name && model.file.tensorIndex(named: $0.name) != nil
    }
    self.init(
      inputs.map {
        Input(name: $0.name, cols: $0.shape[1], blockCols: min(blockCols, $0.shape[1]))
      },
      blockCols: blockCols, modelHash: model.contentHash)
  }

  init(_ inputs: [Input], blockCols: Int, modelHash: String) {
    self.inputs = inputs
    self.blockCols = blockCols
    self.modelHash = modelHash
  }

  /// Values of the tensors of an input.
  private static func counts(_ input: Input) -> [Int] {
    [input.triangleCount, input.cols, input.cols, 3]
  }

  /// Bytes of everything behind the header.
  var dataByteCount: Int {
    inputs.reduce(0) { $0 + Self.counts($1).reduce(0, +) } * MemoryLayout<Float>.stride
  }

  /// Where the tensors of each input begin, from the end of the header on.
  var places: [String: Int] {
    var next = 0
    var places: [String: Int] = [:]
    for input in inputs {
      places[input.name] = next
      next += Self.counts(input).reduce(0, +) * MemoryLayout<Float>.stride
    }
    return places
  }

  /// Length and header, the same number of bytes for any hash of the content.
  func header(content: String) -> [UInt8] {
    var header = JSONObject([
      (
        "__metadata__",
        .object(
          JSONObject([
            ("block", .string("\(blockCols)")), ("calibration", .string("1")),
            ("content", .string(content)), ("model", .string(modelHash)),
          ]))
      )
    ])
    var next = 0
    for input in inputs {
      for (ending, count) in zip(Self.endings, Self.counts(input)) {
        let end = next + count * MemoryLayout<Float>.stride
        header[input.name + ending] = .object(
          JSONObject([
            ("dtype", .string("F32")), ("shape", .array([.integer(count)])),
            ("data_offsets", .array([.integer(next), .integer(end)])),
          ]))
        next = end
      }
    }
    var text = Array(JSONValue.object(header).text.utf8)
    while text.count % 8 != 0 { text.append(0x20) }
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
  }
}
