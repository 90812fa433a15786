import Testing
import VARTestSupport

/// What `plan` of both programs prints for people: totals first, rows under a header.
@Suite struct PlanTests {
  private func lines(_ result: Programs.Result) -> [String] {
    expectDone(result)
    return result.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  @Test func aRequestsTotalsComeFirst() throws {
    let short = lines(try Programs.varlite(["plan", "--task", "generate"]))
    #expect(short[0].hasPrefix("generate with ") && short[0].contains(": peak "))
    #expect(short[1].hasPrefix("about ") && short[1].contains(" on this machine"))
    let header = try #require(short.firstIndex { $0.hasPrefix("phase ") })
    #expect(short[header + 1].hasPrefix("conversation "))
    #expect(!short.contains { $0.contains("llm.kv") })
    let all = lines(try Programs.varlite(["plan", "--task", "generate", "--all"]))
    let buffers = try #require(all.firstIndex { $0.hasPrefix("phase: buffer") })
    #expect(buffers > header && all[(buffers + 1)...].contains { $0.contains("llm.kv") })
  }

  @Test func aConversionsTotalsComeFirstAndItsTensorsWhenAskedFor() throws {
    let tiny = Fixtures.path("tiny")
    let short = lines(try Programs.varconvert(["plan", tiny]))
    #expect(short[0].hasPrefix("recipe balanced: 424 tensors, "))
    for (index, start) in ["file: ", "free disk needed: ", "memory: ", "folded: "].enumerated() {
      #expect(short[index + 1].hasPrefix(start), "\(short[index + 1])")
    }
    #expect(short.contains { $0.hasPrefix("component ") } && short.count < 40)
    #expect(short.contains { $0.contains("--all") })
    #expect(!short.contains { $0.hasPrefix("model.") })
    let all = lines(try Programs.varconvert(["plan", tiny, "--all"]))
    #expect(all.prefix(5) == short.prefix(5))
    let header = try #require(all.firstIndex { $0.hasPrefix("tensor ") && $0.contains("rule") })
    #expect(all[(header + 1)...].prefix { !$0.isEmpty }.count == 424)
    #expect(all.contains("dropped:") && all.contains("folded:"))
  }
}
