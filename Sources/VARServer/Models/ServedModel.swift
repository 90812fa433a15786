import VARLite
import VARSystem

/// A model that clients ask for by name.
package struct ServedModel: Sendable {
  /// The name: that of the file, without its ending.
  package let id: String
  package let model: Model
  /// When the file was last changed, in seconds since 1970.
  package let created: Int
  /// Sizes in which it draws.
  let sizes: [OfferedSize]

  package init(_ model: Model) {
    var name = String(model.path.split(separator: "/").last ?? "model")
    if name.hasSuffix(".vq4") { name.removeLast(4) }
    id = name
    self.model = model
    created = FileStatus(model.path)?.modificationTime.seconds ?? 0
    sizes = OfferedSize.all(of: model)
  }
}

/// The models of a server.
package struct ModelCatalog: Sendable {
  package let models: [ServedModel]

  /// - Throws: an error of the category `request` for two models of one name.
  package init(_ models: [Model]) throws(VARLiteError) {
    self.models = models.map(ServedModel.init)
    for (index, model) in self.models.enumerated() {
      guard self.models[..<index].contains(where: { $0.id == model.id }) else { continue }
      throw VARLiteError(
        .request, "two models are called \(model.id); their files need names of their own")
    }
  }

  /// The model that a request names. Where there is one alone, it answers to any name.
  func model(_ name: String?) throws(APIError) -> ServedModel {
    if let model = models.first(where: { $0.id == name }) { return model }
    if models.count == 1 || name == nil { return models[0] }
    throw unknown(name ?? "")
  }

  /// The model of exactly this name.
  func entry(_ name: String) throws(APIError) -> ServedModel {
    guard let model = models.first(where: { $0.id == name }) else { throw unknown(name) }
    return model
  }

  private func unknown(_ name: String) -> APIError {
    let names = models.map(\.id).joined(separator: ", ")
    return APIError(
      404, "there is no model \(name.prefix(64)); there are \(names)", param: "model",
      code: "model_not_found")
  }
}
