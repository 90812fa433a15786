import VARJSON
import VARLite

/// The fields and pictures of a request to change pictures: a form with files, or JSON with `data:` addresses.
struct EditBody {
  let fields: Fields
  let sources: [Picture]

  private static let pictureFields: Set = ["image", "image[]"]

  init(_ body: [UInt8], _ head: RequestHead) throws(APIError) {
    let type = head["content-type"] ?? ""
    if type.lowercased().hasPrefix("multipart/form-data") {
      let form = try MultipartForm(body, contentType: type)
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
      fields = Fields(form: texts)
      self.sources = sources
    } else {
      fields = try Fields(json: body)
      sources = try Self.sources(fields)
    }
    guard !sources.isEmpty else {
      throw .invalid("image", "image is missing: which picture is to be changed?")
    }
    guard sources.count <= 16 else {
      throw .invalid("image", "\(sources.count) pictures; at most 16 are changed at once")
    }
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
