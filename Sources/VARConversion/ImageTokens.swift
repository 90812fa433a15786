import VARCheckpoint
import VARJSON

/// The three tokens that VARGPT appends to those of Qwen2-VL, for a checkpoint whose configuration does not know them.
struct ImageTokens {
  /// Of `<|image_gen_start|>`; the others follow.
  let start: Int

  /// Nil where the configuration names its special tokens or nothing tells the ids.
  ///
  /// `sos_embedding` ends with the row of the first one (MODEL 2.3).
  /// - Parameter config: the flat document.
  init?(added checkpoint: Checkpoint, config: JSONValue) {
    guard config["special_tokens"] == nil,
      let shape = checkpoint["sos_embedding.weight"]?.shape, let rows = shape.first, rows > 0
    else { return nil }
    start = rows - 1
  }

  private static let names = ["image_gen_start", "image_gen_end", "image_gen_pad"]

  /// The tokens' texts and ids.
  var ids: [(String, Int)] {
    Self.names.enumerated().map { ("<|\($1)|>", start + $0) }
  }

  /// The configuration with the ids in it.
  func added(to config: JSONValue) -> JSONValue {
    guard let object = config.objectValue else { return config }
    let tokens = Self.names.enumerated().map { ("\($1)_token_id", JSONValue.integer(start + $0)) }
    return .object(
      JSONObject(object.members + [("special_tokens", .object(JSONObject(tokens)))]))
  }
}
