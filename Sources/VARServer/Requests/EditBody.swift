import VARJSON
import VARLite

/// The fields and pictures of a request to change pictures: a form with files, or JSON with `data:` addresses.
struct EditBody {
  let fields: Fields
  let sources: [Picture]

  private static let pictureFields: Set = ["image", "image[]"]

  init(_ body: [UInt8], _ head: RequestHead) throws(APIError) {
    if Self.isForm(head) {
      let form = try MultipartForm(body, contentType: head["content-type"] ?? "")
      var texts: [(name: String, text: String)] = []
      var sources: [Picture] = []
      for part in form.parts {
        if Self.pictureFields.contains(part.name) {
          sources.append(try PictureAddress.picture(part.content, param: "image"))
        } else if part.name == "mask" {
          throw ImageRequest.maskRefusal
        } else {
          guard let text = String(validating: part.content, as: UTF8.self) else {
            throw .invalid(part.name, "\(part.name) is no text in UTF-8")
          }
          guard !texts.contains(where: { $0.name == part.name }) else {
            throw .invalid(part.name, "\(part.name) stands twice")
          }
          texts.append((part.name, text))
        }
      }
      try self.init(Fields(form: texts), sources)
    } else {
      try self.init(Fields(json: body))
    }
  }

  /// The body is JSON.
  init(_ fields: Fields) throws(APIError) {
    try self.init(fields, Self.sources(fields))
  }

  private init(_ fields: Fields, _ sources: [Picture]) throws(APIError) {
    guard !sources.isEmpty else {
      throw .invalid("image", "image is missing: which picture is to be changed?")
    }
    guard sources.count <= 16 else {
      throw .invalid("image", "\(sources.count) pictures; at most 16 are changed at once")
    }
    self.fields = fields
    self.sources = sources
  }

  /// Whether the body is a form.
  static func isForm(_ head: RequestHead) -> Bool {
    head["content-type"]?.lowercased().hasPrefix("multipart/form-data") ?? false
  }

  /// `image` is an address or a list of them, `images` a list of objects with one.
  private static func sources(_ fields: Fields) throws(APIError) -> [Picture] {
    var sources: [Picture] = []
    for name in ["image", "images"] {
      guard let value = fields[name] else { continue }
      for entry in value.arrayValue ?? [value] {
        guard let address = entry.stringValue ?? entry["image_url"]?.stringValue else {
          throw .invalid(name, "\(name) is a data: address, or a list of them")
        }
        sources.append(try PictureAddress.picture(address, param: name))
      }
    }
    return sources
  }
}
