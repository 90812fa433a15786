/// One message of a conversation.
public struct ChatMessage: Sendable, Equatable {
  /// Who speaks.
  public enum Role: String, Sendable {
    case system, user, assistant
  }

  /// A piece of a message.
  public enum Part: Sendable, Equatable {
    case text(String)
    /// The place of a picture; the i-th place belongs to the i-th picture.
    case image
  }

  public var role: Role
  public var parts: [Part]

  public init(_ role: Role, _ parts: [Part]) {
    self.role = role
    self.parts = parts
  }

  public init(_ role: Role, _ text: String) {
    self.init(role, [.text(text)])
  }
}

/// The chat format of Qwen2-VL, written out in code: a template text in a model file is never run.
public enum ChatTemplate {
  /// The system message of a conversation that does not start with one of its own.
  public static let defaultSystemPrompt = "You are a helpful assistant."

  /// What stands for a picture; its `<|image_pad|>` is repeated by ``expandImagePads(in:padID:counts:)``.
  public static let imagePlaceholder = "<|vision_start|><|image_pad|><|vision_end|>"

  /// The text of a conversation, ready for `Tokenizer.encode`.
  /// - Parameters:
  ///   - addVisionID: puts `Picture N: ` before each picture, counted from 1.
  ///   - addGenerationPrompt: ends with the start of the assistant's answer.
  public static func render(
    _ messages: [ChatMessage], addDefaultSystem: Bool = true, addVisionID: Bool = false,
    addGenerationPrompt: Bool = true
  ) -> String {
    var text = ""
    var imageCount = 0
    if addDefaultSystem, let first = messages.first, first.role != .system {
      text += "<|im_start|>system\n\(defaultSystemPrompt)<|im_end|>\n"
    }
    for message in messages {
      text += "<|im_start|>\(message.role.rawValue)\n"
      for part in message.parts {
        switch part {
        case .text(let words):
          text += words
        case .image:
          imageCount += 1
          if addVisionID { text += "Picture \(imageCount): " }
          text += imagePlaceholder
        }
      }
      text += "<|im_end|>\n"
    }
    if addGenerationPrompt { text += "<|im_start|>assistant\n" }
    return text
  }

  /// Repeats the i-th image placeholder as often as the i-th picture has merged patches.
  /// - Parameters:
  ///   - ids: an encoded conversation.
  ///   - padID: the id of `<|image_pad|>`.
  ///   - counts: `t * h * w / 4` of each picture's grid, at least 0.
  /// - Throws: `imageCountMismatch` unless there are as many placeholders as counts.
  public static func expandImagePads(
    in ids: [Int32], padID: Int32, counts: [Int]
  ) throws(TokenizerError) -> [Int32] {
    let padCount = ids.reduce(0) { $0 + ($1 == padID ? 1 : 0) }
    guard padCount == counts.count else {
      throw TokenizerError(
        .imageCountMismatch, in: "conversation",
        "\(padCount) image placeholders for \(counts.count) images; name each image once and leave "
          + "<|image_pad|> out of the text")
    }
    var output: [Int32] = []
    output.reserveCapacity(ids.count + counts.reduce(0, +))
    var imageIndex = 0
    for id in ids {
      if id == padID {
        output.append(contentsOf: repeatElement(padID, count: counts[imageIndex]))
        imageIndex += 1
      } else {
        output.append(id)
      }
    }
    return output
  }
}
