import VARLite

/// A picture that a request holds in an address of its own: `data:image/png;base64,...`.
enum PictureAddress {
  /// - Parameters:
  ///   - address: what stands in the place of the picture's address.
  ///   - param: the field.
  /// - Throws: 400 for addresses of other kinds: nothing is fetched, and no file is opened.
  static func picture(_ address: String, param: String) throws(APIError) -> Picture {
    let text = address.utf8
    guard let comma = text.firstIndex(of: UInt8(ascii: ",")), hasScheme(address, "data:") else {
      let scheme = address.prefix { $0 != ":" && $0 != "/" }.prefix(16)
      throw APIError(
        400,
        "\(scheme): addresses are not fetched; send the picture as data:image/png;base64,...",
        param: param, code: "unsupported_image_url")
    }
    let head = address[..<comma].lowercased()
    guard head.hasSuffix(";base64"), let bytes = Base64.bytes(text[text.index(after: comma)...])
    else {
      throw APIError(
        400, "the data: address is not base64", param: param, code: "invalid_image")
    }
    return try picture(bytes, param: param)
  }

  /// A picture's file as a request holds it. Its header is read now, its pixels later.
  static func picture(_ bytes: [UInt8], param: String) throws(APIError) -> Picture {
    let picture = Picture(bytes: bytes, name: param)
    do throws(VARLiteError) {
      _ = try picture.extents()
    } catch {
      throw APIError(400, "\(error)", param: param, code: "invalid_image")
    }
    return picture
  }

  private static func hasScheme(_ address: String, _ scheme: String) -> Bool {
    address.prefix(scheme.count).lowercased() == scheme
  }
}
