import Testing
import VARKernels
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
    let sampler = Self.sampler(isGreedy: false)
    func draw(tokens: Int, scale: Int) -> [UInt8] {
      var bits = [UInt8](repeating: 0, count: 16 * tokens)
      logits.withRows(columns: 32) { sampler.draw($0[..<tokens], scale: scale, into: &bits) }
      return bits
    }
    let bits = draw(tokens: count / 16, scale: 2)
    let share = Double(bits.count { $0 == 1 }) / Double(count)
    // sigmoid(1) = 0.7311; four standard deviations of 4096 draws are 0.028.
    #expect(abs(share - 0.7311) < 0.028)
    #expect(Array(bits.prefix(160)) == draw(tokens: 10, scale: 2))
    #expect(Array(bits.prefix(160)) != draw(tokens: 10, scale: 3))
  }

  @Test func guidanceIsAppliedAfterTheTemperature() {
    var conditional: [Float] = [1, 2]
    let unconditional: [Float] = [0.5, -1]
    conditional.withMutableRows(columns: 2) { conditional in
      unconditional.withRows(columns: 2) {
        Self.sampler(isGreedy: true).guide(conditional, unconditional: $0)
      }
    }
    // 3 * 2 * 1 - 2 * 2 * 0.5 and 3 * 2 * 2 + 2 * 2 * 1.
    #expect(conditional == [4, 16])
  }

  private static func sampler(isGreedy: Bool) -> BitSampler {
    BitSampler(
      cfgScale: 3, tau: 0.5, topP: 0.97, isGreedy: isGreedy, random: CounterRandom(seed: 11))
  }
}

/// Picking text tokens.
@Suite struct TextSamplerTests {
  private func pick(
    _ logits: [Float], _ sampling: TextSampling, penalty: Float = 1, banned: [Int] = [],
    prompt: [Int32] = [], step: Int = 0
  ) -> Int32? {
    var sampler = TextSampler(
      sampling, repetitionPenalty: penalty, banned: banned, prompt: prompt)
    var logits = logits
    let none = TextSampler.Candidate(id: 0, weight: 0)
    var room = [TextSampler.Candidate](repeating: none, count: logits.count)
    return logits.withUnsafeMutableBufferPointer { logits in
      room.withUnsafeMutableBufferPointer { sampler.pick(logits, step: step, in: $0) }
    }
  }

  /// Temperatures near zero, whose inverse overflows, take the largest like zero does.
  @Test(arguments: [0, 1e-300, 1e-45, 1e-38, 1e-3])
  func smallTemperaturesTakeTheLargest(temperature: Double) throws {
    let sampling = TextSampling(temperature: temperature)
    #expect(pick([-1, 3, 2.5, 3, -.infinity], sampling, banned: [3]) == 1)
    #expect(pick([3, -.infinity, 2], sampling, step: 2) == 0)
  }

  /// The more probable first, of equal ones that of the smaller id.
  @Test func candidatesAreSorted() {
    var random = SplitMix64(seed: 1)
    for count in [0, 1, 2, 3, 10, 1000] {
      var candidates = (0..<count).map {
        TextSampler.Candidate(id: Int32($0), weight: Float(random.next() % 50))
      }
      let expected = candidates.sorted {
        $0.weight != $1.weight ? $0.weight > $1.weight : $0.id < $1.id
      }
      candidates.shuffle()
      candidates.withUnsafeMutableBufferPointer { TextSampler.Candidate.sort($0) }
      #expect(candidates.map(\.id) == expected.map(\.id))
    }
  }

  @Test func filtersLeaveTheMostProbable() throws {
    for step in 0..<20 {
      #expect(pick([1, 1.1, 0.9], TextSampling(temperature: 1, topP: 0), step: step) == 1)
      #expect(pick([1, 1.1, 0.9], TextSampling(temperature: 1, topK: 1), step: step) == 1)
      #expect(pick([1, 9, 1], TextSampling(temperature: 1, topP: 0.9), step: step) == 1)
    }
  }

  @Test func drawsFollowTheProbabilities() throws {
    let sampling = TextSampling(temperature: 2, seed: 5)
    let picks = (0..<4000).map { pick([0, 2, -.infinity], sampling, step: $0) }
    // sigmoid(2 / 2) = 0.7311; four standard deviations of 4000 draws are 0.028.
    #expect(abs(Double(picks.count { $0 == 1 }) / 4000 - 0.7311) < 0.028)
    #expect(!picks.contains(2))
  }

  @Test func penaltiesLowerWhatWasSeen() throws {
    let greedy = TextSampling()
    #expect(pick([2, 1.5], greedy, penalty: 2, prompt: [0]) == 1)
    #expect(pick([-1, -1.5], greedy, penalty: 2, prompt: [0, 99]) == 1)
  }

  @Test(arguments: [0, 1])
  func nothingIsPickedFromWhatIsNoNumber(temperature: Double) throws {
    let sampling = TextSampling(temperature: temperature)
    for logits: [Float] in [
      [.nan, 1], [1, .nan], [2, .nan, 3], [-.infinity, -.infinity], [.infinity, 1],
    ] {
      #expect(pick(logits, sampling) == nil, "\(logits)")
    }
  }
}
