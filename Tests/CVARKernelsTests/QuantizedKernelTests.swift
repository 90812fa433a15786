import CVARKernelChecks
import CVARKernels
import Testing

/// The instruction sets of this machine but the scalar reference.
let vectorISAs: [cvar_isa] = (1..<CVAR_ISA_COUNT.rawValue).map(cvar_isa.init(rawValue:))
  .filter { cvar_isa_is_supported($0) != 0 }

/// All instruction sets of this machine.
let supportedISAs: [cvar_isa] = [CVAR_ISA_SCALAR] + vectorISAs

/// Fails with the first difference that a check found.
func expectNoFailure(_ report: cvar_report, sourceLocation: SourceLocation = #_sourceLocation) {
  let first = withUnsafeBytes(of: report.first) { bytes in
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
  #expect(
    report.count == 0, "\(report.count) failures, the first: \(first)",
    sourceLocation: sourceLocation)
}

@Suite struct QuantizedKernelTests {
  static let seeds: [UInt64] = [7, 8]

  @Test func referenceHasTheSameBitsEverywhere() {
    expectNoFailure(cvar_check_quantized_digest())
  }

  @Test(arguments: seeds) func quantizeActivationsReferenceRoundsToNearest(seed: UInt64) {
    expectNoFailure(cvar_check_quantize_activations_reference(seed))
  }

  @Test(arguments: seeds) func matmulQuantizedReferenceStaysInItsBound(seed: UInt64) {
    expectNoFailure(cvar_check_matmul_quantized_reference(seed))
  }

  @Test(arguments: seeds) func convolveQuantizedEqualsTheProductOfGatheredInputs(seed: UInt64) {
    expectNoFailure(cvar_check_convolve_quantized_reference(seed))
  }

  @Test(arguments: seeds) func gatherRowReferenceFollowsTheFormulaOfItsType(seed: UInt64) {
    expectNoFailure(cvar_check_gather_row_reference(seed))
  }

  @Test(arguments: vectorISAs, seeds)
  func quantizeActivationsEqualsReference(isa: cvar_isa, seed: UInt64) {
    expectNoFailure(cvar_check_quantize_activations(isa, seed))
  }

  @Test(arguments: vectorISAs, seeds)
  func matmulQuantizedEqualsReference(isa: cvar_isa, seed: UInt64) {
    expectNoFailure(cvar_check_matmul_quantized(isa, seed))
  }

  @Test(arguments: vectorISAs, seeds)
  func convolveQuantizedEqualsReference(isa: cvar_isa, seed: UInt64) {
    expectNoFailure(cvar_check_convolve_quantized(isa, seed))
  }

  @Test(arguments: seeds) func weightErrorsAreThoseOfTheStoredValues(seed: UInt64) {
    expectNoFailure(cvar_check_quantize_weights_reference(seed))
  }

  @Test(arguments: vectorISAs, seeds)
  func quantizeWeightsEqualsReference(isa: cvar_isa, seed: UInt64) {
    expectNoFailure(cvar_check_quantize_weights(isa, seed))
  }

  @Test(arguments: vectorISAs, seeds) func gatherRowEqualsReference(isa: cvar_isa, seed: UInt64) {
    expectNoFailure(cvar_check_gather_row(isa, seed))
  }
}

@Suite struct ISATests {
  @Test func scalarIsAlwaysThere() {
    #expect(cvar_isa_is_supported(CVAR_ISA_SCALAR) != 0)
    #expect(cvar_kernels_for(CVAR_ISA_SCALAR) != nil)
  }

  @Test func bestIsTheLastSupported() {
    #expect(cvar_isa_best() == vectorISAs.last ?? CVAR_ISA_SCALAR)
  }

  @Test func namesAreStable() {
    let names = (0..<CVAR_ISA_COUNT.rawValue).map {
      String(cString: cvar_isa_name(cvar_isa(rawValue: $0)))
    }
    #expect(names == ["scalar", "avx2", "avxvnni", "avx512vnni", "neon", "dotprod", "i8mm"])
    #expect(String(cString: cvar_isa_name(CVAR_ISA_COUNT)) == "unknown")
  }

  @Test func unsupportedHasNoTable() {
    for rawValue in 0...CVAR_ISA_COUNT.rawValue {
      let isa = cvar_isa(rawValue: rawValue)
      #expect((cvar_kernels_for(isa) != nil) == (cvar_isa_is_supported(isa) != 0))
    }
  }

  @Test(arguments: [CVAR_ISA_SCALAR] + vectorISAs) func tableHasItsNameAndQuantizedEntries(
    isa: cvar_isa
  ) throws {
    let table = try #require(cvar_kernels_for(isa)).pointee
    #expect(String(cString: table.name) == String(cString: cvar_isa_name(isa)))
    #expect(table.quantize_activations != nil)
    #expect(table.matmul_quantized != nil)
    #expect(table.gather_row != nil)
  }
}
