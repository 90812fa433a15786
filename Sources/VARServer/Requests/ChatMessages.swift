import VARJSON
import VARLite

/// The turns of a conversation as a request holds them.
enum ChatMessages {
  static func read(_ value: JSONValue?) throws(APIError) -> [Message] {
    guard let list = value?.arrayValue, !list.isEmpty else {
      throw .invalid("messages", "messages is a list of at least one message")
    }
    var messages: [Message] = []
    var pictureCount = 0
    for (index, value) in list.enumerated() {
      let message = try read(value, param: "messages[\(index)]")
      if message.role == .system, index > 0 {
        throw .invalid("messages[\(index)].role", "the system message is not the first one")
      }
      pictureCount += message.pictures.count
      messages.append(message)
    }
    guard pictureCount <= Request.maximumPictureCount else {
      throw .invalid(
        "messages", "\(pictureCount) pictures; at most \(Request.maximumPictureCount) are looked at"
      )
    }
    guard messages.last?.role == .user else {
      throw .invalid(
        "messages[\(list.count - 1)].role", "the last message is not the user's: nothing is asked")
    }
    return messages
  }

  private static func read(_ value: JSONValue, param: String) throws(APIError) -> Message {
    guard let object = value.objectValue else { throw .invalid(param, "a message is an object") }
    let role: Message.Role
    switch object["role"]?.stringValue {
    case "system", "developer": role = .system
    case "user": role = .user
    case "assistant": role = .assistant
    case "tool", "function":
      throw .unsupported(
        "\(param).role", "the model calls no tools, and reads none of their answers")
    default: throw .invalid("\(param).role", "a role is system, user or assistant")
    }
    return Message(role, parts: try parts(object["content"], role, param: "\(param).content"))
  }

  private static func parts(
    _ content: JSONValue?, _ role: Message.Role, param: String
  ) throws(APIError) -> [Message.Part] {
    switch content {
    case .string(let text): return [.text(try checked(text, param))]
    case .array(let values) where !values.isEmpty:
      var parts: [Message.Part] = []
      for (index, value) in values.enumerated() {
        parts.append(try part(value, role, param: "\(param)[\(index)]"))
      }
      return parts
    case nil,
      .null where role == .assistant:
      return [.text("")]
    default: throw .invalid(param, "content is a text, or a list of parts")
    }
  }

  private static func part(
    _ value: JSONValue, _ role: Message.Role, param: String
  ) throws(APIError) -> Message.Part {
    switch value["type"]?.stringValue {
    case "text", "input_text":
      guard let text = value["text"]?.stringValue else {
        throw .invalid("\(param).text", "a part of the type text has a text")
      }
      return .text(try checked(text, "\(param).text"))
    case "image_url", "input_image":
      guard role == .user else {
        throw .unsupported(param, "pictures stand in messages of the user")
      }
      let field = value["image_url"]
      guard let address = field?.stringValue ?? field?["url"]?.stringValue else {
        throw .invalid("\(param).image_url", "image_url has a url")
      }
      return .picture(try PictureAddress.picture(address, param: "\(param).image_url"))
    case let type:
      throw .unsupported(
        "\(param).type", "the model reads texts and pictures, not \(type?.prefix(32) ?? "this")")
    }
  }

  /// The tokenizer's texts hold no NUL.
  static func checked(_ text: String, _ param: String) throws(APIError) -> String {
    guard !text.utf8.contains(0) else {
      throw .invalid(param, "the text holds a NUL character; remove it")
    }
    return text
  }
}
