import Testing
import VARLite
import VARTestSupport

/// Random numbers and the drawing of bits.
@Suite struct SamplingTests {
  /// Known answers of Philox 4x32-10 from its authors' test vectors (first output word).
  @Test func randomNumbersAreThoseOfPhilox() {
    #expect(CounterRandom(seed: 0).philox(0, 0, 0, 0) == 0x6627_E8D5)
    let ones = UInt32.max
    #expect(CounterRandom(seed: .max).philox(ones, ones, ones, ones) == 0x408F_276D)
    let pi = CounterRandom(seed: 0x299F_31D0_A409_3822)
    #expect(pi.philox(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344) == 0xD16C_FE09)
  }

  @Test func filteredProbabilitiesMatchTheReference() throws {
    let golden = try SafetensorsFile(fixture: "golden/sampling.safetensors")
    let logits = try golden.floats("logits")
    let expected = try golden.floats("prob_bit1_after_filter")
    let sampler = Self.sampler(isGreedy: false)
    for index in expected.indices {
      let actual = sampler.probabilityOfOne(zero: logits[2 * index], one: logits[2 * index + 1])
      #expect(abs(actual - expected[index]) <= 1e-6, "pair \(index): \(actual)")
    }
  }

  @Test func drawsFollowTheirProbabilityAndTheirPlaceAlone() {
    let count = 4096
    let logits = (0..<2 * count).map { Float($0 % 2) }
    var bits = [UInt8](repeating: 0, count: count)
    let sampler = Self.sampler(isGreedy: false)
    sampler.draw(logits, tokenCount: count / 16, bitCount: 16, scale: 2, into: &bits)
    let share = Double(bits.count { $0 == 1 }) / Double(count)
    // sigmoid(1) = 0.7311; four standard deviations of 4096 draws are 0.028.
    #expect(abs(share - 0.7311) < 0.028)
    var fewer = [UInt8](repeating: 0, count: 160)
    sampler.draw(logits, tokenCount: 10, bitCount: 16, scale: 2, into: &fewer)
    #expect(Array(bits.prefix(160)) == fewer)
    sampler.draw(logits, tokenCount: 10, bitCount: 16, scale: 3, into: &fewer)
    #expect(Array(bits.prefix(160)) != fewer)
  }

  @Test func guidanceIsAppliedAfterTheTemperature() {
    var conditional: [Float] = [1, 2]
    let unconditional: [Float] = [0.5, -1]
    Self.sampler(isGreedy: true).guide(&conditional, unconditional: unconditional, count: 2)
    // 3 * 2 * 1 - 2 * 2 * 0.5 and 3 * 2 * 2 + 2 * 2 * 1.
    #expect(conditional == [4, 16])
  }

  private static func sampler(isGreedy: Bool) -> BitSampler {
    BitSampler(
      cfgScale: 3, tau: 0.5, topP: 0.97, isGreedy: isGreedy, random: CounterRandom(seed: 11))
  }
}
