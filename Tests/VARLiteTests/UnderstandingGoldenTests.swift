import Testing
import VARLite
import VARTestSupport
import VARVision

/// Text with the reference checkpoint in f32: prompt, every position's logits, greedy steps.
@Suite struct UnderstandingGoldenTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let id: String
    let question: String
    var pictures: [String] = []
    var repetitionPenalty = 1.0
    var testDescription: String { id }
  }

  @Test(arguments: [
    Case(id: "llm_text", question: "What is two plus three?"),
    Case(id: "llm_image", question: "What is in this picture?", pictures: ["scene_2"]),
    Case(id: "llm_text_reppen", question: "Count to nine.", repetitionPenalty: 1.05),
    Case(
      id: "llm_two_images", question: "Compare the two images.", pictures: ["scene_1", "scene_4"]),
  ])
  func everyStepMatchesTheReference(_ test: Case) throws {
    let recorder = TraceRecorder()
    let pictures = try test.pictures.map { try TinyModel.picture($0) }
    let answer = try TinyModel.f32().understand(
      Prompt(test.question, images: pictures),
      sampling: .endless(maximumTokens: 16, repetitionPenalty: test.repetitionPenalty),
      recorder: recorder)
    let golden = try SafetensorsFile(fixture: "golden/\(test.id).safetensors")
    let comparison = GoldenComparison(golden: golden, recorder: recorder)
    for name in ["input_ids", "position_ids", "rope_delta", "greedy_ids"] {
      try comparison.expectEqual(name)
    }
    if !test.pictures.isEmpty { try comparison.expectEqual("image_grid_thw") }
    for name in ["embeds", "hidden_layer1", "hidden_final_norm", "logits", "step_logits"] {
      try comparison.expectClose(name, .hidden)
    }
    #expect(answer.tokens.count == 16)
  }

  @Test func textEndsAtTheEndOfSequence() throws {
    let recorder = TraceRecorder()
    let answer = try TinyModel.f32().understand(Prompt("Who are you?"), recorder: recorder)
    let golden = try SafetensorsFile(fixture: "golden/stop_eos.safetensors")
    try GoldenComparison(golden: golden, recorder: recorder).expectEqual("sequence")
    #expect(answer.text == "I am a very small test model, and I can paint.")
    #expect(!answer.isCut)
  }
}
