import Testing
import VARJSON
import VARKernels
import VARTestSupport

/// `varbench` as scripts use it: lines of JSON with fixed keys.
@Suite struct ProgramTests {
  private func run(_ arguments: String...) throws -> [JSONValue] { try run(arguments) }

  private func run(_ arguments: [String]) throws -> [JSONValue] {
    let result = try ProgramRunner.built("varbench").run(arguments)
    #expect(result.status == 0, "\(result.errorText)")
    #expect(result.errorOutput.isEmpty, "\(result.errorText)")
    return try result.text.split(separator: "\n").map { try JSONValue(parsing: String($0)) }
  }

  private func number(_ record: JSONValue, _ key: String) throws -> Double {
    try #require(record.objectValue?[key]?.doubleValue, "\(key) of \(record.text)")
  }

  private func names(_ records: [JSONValue]) -> [String] {
    records.compactMap { $0.objectValue?["name"]?.stringValue }
  }

  /// What every line has.
  private func check(_ records: [JSONValue], threads: Int, isa: String) throws {
    for record in records {
      let least = try number(record, "min")
      #expect(try number(record, "median") >= least)
      #expect(try number(record, "max") >= number(record, "median"))
      #expect(try number(record, "value") == number(record, "median"))
      #expect(least >= 0)
      #expect(try number(record, "threads") == Double(threads))
      #expect(record.objectValue?["isa"]?.stringValue == isa)
      for key in ["unit", "shape", "precision", "pages", "cpu"] {
        #expect(record.objectValue?[key]?.stringValue?.isEmpty == false, "\(key)")
      }
    }
  }

  @Test(arguments: ["huge", "small", "file"])
  func machineMeasuresItsLimits(pages: String) throws {
    let records = try run(
      "machine", "--mebibytes", "4", "--repeats", "2", "--threads", "2", "--isa", "scalar",
      "--pages", pages)
    #expect(names(records) == ["read_bandwidth", "int8_peak", "fp32_peak"])
    try check(records, threads: 2, isa: "scalar")
    for record in records {
      #expect(try number(record, "min") > 0)
      #expect(record.objectValue?["pages"]?.stringValue == pages)
    }
    #expect(try number(records[0], "bytes") == 4_194_304)
  }

  @Test(arguments: ["int4", "int8", "f16", "f32"])
  func matrixProductsAreMeasuredPerRowCount(precision: String) throws {
    let records = try run(
      "gemm", "--m", "100", "--k", "64", "--n", "1,300", "--precision", precision, "--repeats",
      "3", "--threads", "1", "--isa", "scalar")
    #expect(names(records) == ["gemm", "weight_bandwidth", "gemm", "weight_bandwidth"])
    try check(records, threads: 1, isa: "scalar")
    #expect(try records.map { try number($0, "n") } == [1, 1, 300, 300])
    for record in records {
      #expect(try number(record, "min") > 0)
      #expect(record.objectValue?["shape"]?.stringValue == "100x64")
      #expect(record.objectValue?["precision"]?.stringValue == precision)
    }
  }

  @Test(arguments: ["int4", "balanced"])
  func textIsMeasuredOnSyntheticWeights(precision: String) throws {
    let records = try run(
      "understand", "--shape", "tiny", "--prompt", "5", "--tokens", "4", "--precision", precision,
      "--threads", "1", "--isa", "scalar", "--no-probes")
    #expect(
      names(records) == [
        "prefill", "prefill_compute", "decode", "decode_bandwidth", "decode_limit", "decode_share",
        "peak_rss",
        "allocations_per_token",
      ])
    try check(records, threads: 1, isa: "scalar")
    for record in records.dropLast() { #expect(try number(record, "min") > 0) }
    #expect(try number(records[2], "repeats") == 3)
  }

  @Test func aTokenAllocatesNothing() throws {
    // Two threads, and long prompts in memory, so that work is shared out.
    let records = try run(
      "understand", "--shape", "tiny", "--prompt", "600", "--tokens", "9", "--threads", "2",
      "--no-probes")
    let counted = records.first { $0.objectValue?["name"]?.stringValue == "allocations_per_token" }
    // Absent where the C library cannot be asked.
    if let counted { #expect(try number(counted, "max") == 0) }
  }

  /// The least budget with which the demo model streams is among the bytes that the refusal names.
  @Test(arguments: ["map", "load", "stream"], [false, true])
  func loadingIsMeasured(residency: String, isCold: Bool) throws {
    let model = Fixtures.path("../../Sources/CVARDemoModel/Resources/shapes.vq4")
    let records = try run(
      ["load", "--model", model, "--residency", residency, "--threads", "1", "--repeats", "2"]
        + (isCold ? ["--cold"] : []) + (residency == "stream" ? ["--ram", "13M"] : []))
    let own = residency == "stream" ? ["pass", "pass_speed"] : []
    #expect(
      names(records) == ["load", "load_speed"] + own + [
        "peak_rss", "disk_speed", "decode_speed", "memory_speed",
        "load_share",
      ])
    try check(records, threads: 1, isa: "\(InstructionSet.best.rawValue)")
    for record in records {
      #expect(try number(record, "min") > 0)
      #expect(try number(record, "file_bytes") <= number(record, "weight_bytes"))
    }
    let refused = try ProgramRunner.built("varbench").run([
      "load", "--model", model, "--residency", "stream", "--ram", "100K",
    ])
    #expect(refused.status == 4 && refused.errorText.contains("at least"))
    let missing = try ProgramRunner.built("varbench").run(["load", "--model", "/nowhere"])
    #expect(missing.status == 3 && missing.errorText.contains("/nowhere"))
  }

  @Test func picturesAreMeasuredPerScale() throws {
    let records = try run(
      "generate", "--shape", "tiny", "--size", "256", "--cfg-scale", "3", "--prompt", "3",
      "--threads", "2", "--repeats", "2", "--isa", "\(InstructionSet.best.rawValue)", "--no-probes")
    let expected =
      ["image_seconds"] + [String](repeating: "scale_seconds", count: 7) + [
        "transformer_seconds", "transformer_gops", "vae_seconds", "peak_rss",
      ]
    #expect(Array(names(records).prefix(12)) == expected)
    try check(records, threads: 2, isa: InstructionSet.best.rawValue)
    for record in records.prefix(12) { #expect(try number(record, "min") > 0) }
    // Absent where the C library cannot be asked.
    let counted = records.first { $0.objectValue?["name"]?.stringValue == "allocations_per_image" }
    if let counted { #expect(try number(counted, "max") == 0, "the scale loop allocates") }
    #expect(try records[1...7].map { try number($0, "tokens") } == [1, 4, 16, 36, 64, 144, 256])
    let parts = try number(records[8], "value") + number(records[10], "value")
    #expect(abs(try number(records[0], "value") - parts) < 0.01 * parts)
  }

  @Test func decodingIsMeasuredAlone() throws {
    let records = try run(
      "decode", "--shape", "tiny", "--size", "48", "--precision", "f32", "--threads", "2",
      "--repeats", "2", "--isa", "\(InstructionSet.best.rawValue)", "--no-probes")
    #expect(names(records) == ["vae_seconds", "vae_gflops", "peak_rss"])
    try check(records, threads: 2, isa: InstructionSet.best.rawValue)
    for record in records { #expect(try number(record, "min") > 0) }
    #expect(try number(records[0], "repeats") == 2)
    let operations =
      try number(records[0], "min") * number(records[1], "max") * 1e9
    // By hand: 9 tokens, 32 to 128 channels, one residual block per level and one more.
    #expect(abs(operations / Self.tinyDecoderOperations - 1) < 0.01, "\(operations)")
  }

  /// Twice the products of the convolutions that decode 3x3 tokens of the tiny shape.
  private static var tinyDecoderOperations: Double {
    let channels = [32, 64, 128, 128, 128]
    var products = 9 * 9 * (32 * 128 + 4 * 128 * 128)
    var input = 128
    for level in (0...4).reversed() {
      let pixels = 9 << (2 * (4 - level))
      let out = channels[level]
      products += pixels * 9 * (input * out + 3 * out * out)
      if input != out { products += pixels * input * out }
      if level > 0 { products += 4 * pixels * 9 * out * out }
      input = out
    }
    return 2 * Double(products + 9 * 256 * 9 * 32 * 3)
  }

  @Test func wrongArgumentsAreToldInOneLine() throws {
    for arguments in [
      ["gemm", "--k", "33"], ["gemm", "--n", "0"], ["gemm", "--n", "x"], ["gemm", "--m", "0"],
      ["gemm", "--group-size", "48"], ["machine", "--isa", "abacus"],
      ["machine", "--threads", "0"],
      ["machine", "--mebibytes", "0"], ["juggle"], ["understand", "--precision", "int3"],
      ["understand", "--prompt", "0"], ["generate", "--shape", "qwen2-0.5b", "--no-probes"],
      ["generate", "--shape", "tiny", "--size", "300"],
      ["decode", "--shape", "qwen2-0.5b"], ["decode", "--shape", "tiny", "--size", "40"],
    ] {
      let result = try ProgramRunner.built("varbench").run(arguments)
      #expect(result.status == 2, "\(arguments)")
      #expect(result.output.isEmpty, "\(arguments)")
      #expect(!result.errorOutput.isEmpty, "\(arguments)")
    }
  }
}
