import VARJSON

/// The model that a job was given to: no other one goes on with it.
struct StoredModel: Equatable {
  /// As clients call it.
  let name: String
  /// Of the model's weights and metadata.
  let contentHash: String

  init(_ served: ServedModel) {
    name = served.id
    contentHash = served.model.contentHash
  }

  /// - Returns: nil for a header of a stored request that tells no model.
  init?(_ header: JSONObject) {
    guard let name = header["model"]?.stringValue, let hash = header["model_hash"]?.stringValue
    else { return nil }
    self.name = name
    contentHash = hash
  }

  /// Members of the header.
  var members: [(String, JSONValue)] {
    [("model", .string(name)), ("model_hash", .string(contentHash))]
  }
}
