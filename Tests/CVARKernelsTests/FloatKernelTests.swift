import CVARKernelChecks
import CVARKernels
import Testing

@Suite struct FloatKernelTests {
  static let seeds: [UInt64] = [7, 8]

  @Test func referenceHasTheSameBitsEverywhere() {
    expectNoFailure(cvar_check_float_digest())
  }

  @Test(arguments: seeds) func matmulFloatReferenceStaysInItsBound(seed: UInt64) {
    expectNoFailure(cvar_check_matmul_float_reference(seed))
  }

  @Test(arguments: seeds) func winogradReferenceStaysInItsBound(seed: UInt64) {
    expectNoFailure(cvar_check_winograd_reference(seed))
  }

  @Test(arguments: seeds) func normsReferenceStaysInItsBound(seed: UInt64) {
    expectNoFailure(cvar_check_norms_reference(seed))
  }

  @Test(arguments: seeds) func attentionReferenceStaysInItsBound(seed: UInt64) {
    expectNoFailure(cvar_check_attention_reference(seed))
  }

  @Test func int8KeysKeepTheirPrecisionBesideALargeBias() {
    expectNoFailure(cvar_check_key_bias())
  }

  @Test(arguments: seeds) func elementwiseReferenceStaysInItsBound(seed: UInt64) {
    expectNoFailure(cvar_check_elementwise_reference(seed))
  }

  @Test(arguments: seeds) func halfRowsReferenceRoundsToTheNearest(seed: UInt64) {
    expectNoFailure(cvar_check_half_rows_reference(seed))
  }

  @Test(arguments: vectorISAs, seeds)
  func matmulFloatEqualsReference(isa: cvar_isa, seed: UInt64) {
    expectNoFailure(cvar_check_matmul_float(isa, seed))
  }

  @Test(arguments: vectorISAs, seeds) func winogradEqualsReference(isa: cvar_isa, seed: UInt64) {
    expectNoFailure(cvar_check_winograd(isa, seed))
  }

  @Test(arguments: vectorISAs, seeds) func normsEqualReference(isa: cvar_isa, seed: UInt64) {
    expectNoFailure(cvar_check_norms(isa, seed))
  }

  @Test(arguments: vectorISAs, seeds) func attentionEqualsReference(isa: cvar_isa, seed: UInt64) {
    expectNoFailure(cvar_check_attention(isa, seed))
  }

  @Test(arguments: vectorISAs, seeds) func elementwiseEqualsReference(isa: cvar_isa, seed: UInt64) {
    expectNoFailure(cvar_check_elementwise(isa, seed))
  }

  @Test(arguments: vectorISAs, seeds) func halfRowsEqualReference(isa: cvar_isa, seed: UInt64) {
    expectNoFailure(cvar_check_half_rows(isa, seed))
  }
}

@Suite struct ElementaryFunctionTests {
  @Test func floatFunctionsKeepTheirErrorBounds() {
    expectNoFailure(cvar_check_math())
  }

  @Test func logAndPowKeepTheirErrorBounds() {
    expectNoFailure(cvar_check_math_double(7))
  }

  @Test func halfConversionsRoundToEven() {
    expectNoFailure(cvar_check_half_conversions())
  }
}
