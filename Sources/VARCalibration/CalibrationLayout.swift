import VARConversion
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
    var hasDrift = false
    var triangleCount: Int { SecondMoments.valueCount(cols: cols, blockCols: blockCols) }
    var driftCount: Int {
      hasDrift ? InputDrift.valueCount(cols: cols, blockCols: blockCols) : 0
    }

    /// Its tensors in the order of the file, and how many values each has.
    var tensors: [(name: String, count: Int)] {
      [
        (name, triangleCount), (name + ".means", cols), (name + ".largest", cols),
        (name + ".counts", 3),
      ] + (hasDrift ? [(name + ".drift", driftCount), (name + ".drift_means", cols)] : [])
    }

    /// Bytes of all tensors.
    var byteCount: Int {
      tensors.reduce(0) { $0 + $1.count } * MemoryLayout<Float>.stride
    }
  }

  /// As many characters as the hash of the content has.
  static let noContent = String(repeating: "0", count: 32)

  let inputs: [Input]
  let blockCols: Int
  let modelHash: String
  /// The recipe that rounds the generator; nil where the file is for every recipe.
  private(set) var recipe: CalibrationFile.RecipeReference?

  /// The layout for all inputs of a model.
  ///
  /// - Parameter rounding: what rounds the generator; nil where nothing does.
  init(_ model: Model, blockCols: Int, _ rounding: GeneratorRounding?) {
    let inputs = model.tensors.filter {
      $0.kind == .matrix && $0.input == $0.name && model.file.tensorIndex(named: $0.name) != nil
    }
    self.init(
      inputs.map {
        Input(
          name: $0.name, cols: $0.shape[1], blockCols: min(blockCols, $0.shape[1]),
          hasDrift: rounding != nil && GeneratorRounding.drifts($0))
      },
      blockCols: blockCols, modelHash: model.contentHash)
    recipe = rounding.map {
      CalibrationFile.RecipeReference(name: $0.recipeName, identity: $0.identity)
    }
  }

  init(_ inputs: [Input], blockCols: Int, modelHash: String) {
    self.inputs = inputs
    self.blockCols = blockCols
    self.modelHash = modelHash
  }

  /// Bytes of everything behind the header.
  var dataByteCount: Int { inputs.reduce(0) { $0 + $1.byteCount } }

  /// Where the tensors of each input begin, from the end of the header on.
  var places: [String: Int] {
    var next = 0
    var places: [String: Int] = [:]
    for input in inputs {
      places[input.name] = next
      next += input.byteCount
    }
    return places
  }

  /// Length and header, the same number of bytes for any hash of the content.
  func header(content: String) -> [UInt8] {
    let versions = CalibrationFile.versions
    var members: [(String, JSONValue)] = [
      ("block", .string("\(blockCols)")),
      ("calibration", .string(recipe == nil ? versions.plain : versions.withDrifts)),
      ("content", .string(content)), ("model", .string(modelHash)),
    ]
    if let recipe {
      members += [("recipe", .string(recipe.name)), ("rounding", .string(recipe.identity))]
    }
    var header = JSONObject([("__metadata__", .object(JSONObject(members)))])
    var next = 0
    for input in inputs {
      for (name, count) in input.tensors {
        let end = next + count * MemoryLayout<Float>.stride
        header[name] = .object(
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
