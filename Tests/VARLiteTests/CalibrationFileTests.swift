import Testing
import VARCalibration
import VARCheckpoint
import VARConversion
import VARForcedRun
import VARJSON
import VARLite
import VARModels
import VARQuantization
import VARTestSupport

/// Calibrations for one recipe are read with all that they are made of, or refused with their place.
@Suite struct CalibrationFileTests {
  /// A calibration for int4, made once for all tests.
  private struct Sample {
    let model: Model
    let bytes: [UInt8]
    /// An input that has drifted, and whose layer has a bias.
    let input = "vargpt_gen.blocks.0.ffn.fc2.weight"

    init() throws {
      let folder = TemporaryDirectory()
      model = try TinyModel.f32()
      let options = ForcedRun.Options(isCancelled: { false }, progress: { _, _, _ in })
      try Calibration(
        model, cases: SceneCases.cases(.calibration, for: model, limit: 1), blockCols: 128,
        for: Recipe(builtIn: "int4"), options
      ).write(to: .init(folder.file("c")))
      bytes = try Fixtures.readFile(folder.file("c"))
    }

    private var headerCount: Int {
      bytes[..<8].enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
    }

    private func header() throws -> JSONObject {
      let value = try JSONValue(parsing: Array(bytes[8..<8 + headerCount]))
      return try #require(value.objectValue)
    }

    /// The same behind another header.
    func changed(_ change: (inout JSONObject) throws -> Void) throws -> [UInt8] {
      var header = try header()
      try change(&header)
      let text = Array(JSONValue.object(header).text.utf8)
      return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
        + bytes[(8 + headerCount)...]
    }

    /// The same with other metadata.
    func changed(metadata key: String, _ value: String?) throws -> [UInt8] {
      try changed { header in
        let all = try #require(header["__metadata__"]?.objectValue)
        var members = all.members.filter { $0.key != key }.map { ($0.key, $0.value) }
        if let value { members.append((key, .string(value))) }
        header["__metadata__"] = .object(JSONObject(members))
      }
    }

    /// The same without a tensor.
    func lacking(_ tensor: String) throws -> [UInt8] {
      try changed { header in
        let place = try #require(header[tensor])
        header = JSONObject(
          header.members.map { ($0.key == tensor ? "other" : $0.key, $0.value) })
        #expect(header["other"] == place)
      }
    }

    /// The same with one value in all places of a tensor.
    func filled(_ tensor: String, _ value: Float) throws -> [UInt8] {
      let offsets = try #require(try header()[tensor]?["data_offsets"]?.arrayValue)
      let (first, end) = (
        try #require(offsets[0].integerValue), try #require(offsets[1].integerValue)
      )
      var bytes = bytes
      for place in stride(from: 8 + headerCount + first, to: 8 + headerCount + end, by: 4) {
        withUnsafeBytes(of: value) { bytes.replaceSubrange(place..<place + 4, with: $0) }
      }
      return bytes
    }
  }

  private static let sample = Result { try Sample() }

  private func convert(
    _ bytes: [UInt8], _ folder: TemporaryDirectory, by recipe: Recipe? = nil
  ) throws {
    folder.write("c", bytes)
    var options = ConversionOptions(recipe: try recipe ?? Recipe(builtIn: "int4"), layout: .map)
    options.calibration = try CalibrationFile(path: folder.file("c"))
    let checkpoint = try Checkpoint(path: Fixtures.path("tiny"))
    _ = try Conversion(of: checkpoint, options: options).write(to: folder.file("m.vq4"))
  }

  private func refusal(_ bytes: [UInt8]) throws -> String {
    let folder = TemporaryDirectory()
    let error = try #require(throws: CheckpointError.self) { try convert(bytes, folder) }
    #expect(!folder.names().contains("m.vq4"))
    #expect("\(error)".contains(folder.file("c")), "\(error)")
    return "\(error)"
  }

  @Test func metadataBelongToTheVersion() throws {
    let sample = try Self.sample.get()
    for key in ["recipe", "rounding"] {
      let line = try refusal(sample.changed(metadata: key, nil))
      #expect(line.hasSuffix("names no recipe; calibrate again"), "\(line)")
    }
    let line = try refusal(sample.changed(metadata: "calibration", "3"))
    #expect(line.contains("is a calibration of version 3, 1 and 2 are read"), "\(line)")
    // Without drifts it serves every recipe.
    let folder = TemporaryDirectory()
    try convert(
      sample.changed(metadata: "calibration", "1"), folder, by: Recipe(builtIn: "small"))
    let file = try CalibrationFile(path: folder.file("c"))
    let input = try #require(file.inputs.first { $0.name == sample.input })
    #expect(try file.storedMoments(of: input.name, cols: input.cols)?.drift == nil)
  }

  @Test func driftsOfAllLayersAreThere() throws {
    let sample = try Self.sample.get()
    for name in [".drift", ".drift_means"].map({ sample.input + $0 }) {
      let line = try refusal(sample.lacking(name))
      #expect(line.contains(sample.input), "\(line)")
      #expect(line.hasSuffix("has no drift of the shape of its moments; calibrate again"))
    }
    let swapped = try refusal(
      sample.changed { header in
        let (first, second) = (sample.input + ".drift", sample.input + ".drift_means")
        let (products, means) = (header[first], header[second])
        (header[first], header[second]) = (means, products)
      })
    #expect(swapped.contains("has no drift of the shape of its moments"), "\(swapped)")
  }

  @Test func driftsAreNumbers() throws {
    let sample = try Self.sample.get()
    for name in [".drift", ".drift_means"].map({ sample.input + $0 }) {
      let line = try refusal(sample.filled(name, .nan))
      #expect(line.contains(name) && line.contains("no finite number"), "\(line)")
    }
  }

  @Test(arguments: [".means", ".drift_means"]) func meansHaveProducts(name: String) throws {
    let sample = try Self.sample.get()
    let bytes = try sample.filled(sample.input + name, 3e38)
    let folder = TemporaryDirectory()
    let error = try #require(throws: (any Error).self) { try convert(bytes, folder) }
    let line = "\(error)"
    #expect(line.contains(sample.input) && line.hasSuffix("calibrate again"), "\(line)")
    #expect(line.contains("calibration") || line.contains(folder.file("c")), "\(line)")
    #expect(!folder.names().contains("m.vq4"))
  }

  /// Recipes that round alike have one identity, in every version of the program.
  @Test func identitiesStay() throws {
    let tensors = try TinyModel.f32().tensors
    let found = try ["int4", "small"].map {
      try GeneratorRounding(Recipe(builtIn: $0), tensors).identity
    }
    #expect(
      found == ["e39499e1ef225fd5f8a9e084bb056615", "642aaa74747b6e95273cb0b73c69b669"])
  }
}
