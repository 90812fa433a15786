import VARJSON

/// Ids of the tokens with a meaning of their own.
package struct SpecialTokens: Sendable, Equatable {
  package var visionStart: Int
  package var visionEnd: Int
  package var imagePad: Int
  package var videoPad: Int
  package var imageGenStart: Int
  package var imageGenEnd: Int
  package var imageGenPad: Int
  package var endOfSequence: Int

  init(_ reader: ConfigurationReader) throws(ConfigurationError) {
    let range = 0...4_194_303
    visionStart = try reader.integer("vision_start_token_id", in: range, default: 151_652)
    visionEnd = try reader.integer("vision_end_token_id", in: range, default: 151_653)
    imagePad = try reader.integer("image_token_id", in: range, default: 151_655)
    videoPad = try reader.integer("video_token_id", in: range, default: 151_656)
    endOfSequence = try reader.integer("eos_token_id", in: range, default: 151_645)
    let tokens = try reader.nested("special_tokens")
    func special(_ name: String, _ released: Int) throws(ConfigurationError) -> Int {
      try tokens?.integer(name, in: range, default: released) ?? released
    }
    imageGenStart = try special("image_gen_start_token_id", 151_657)
    imageGenEnd = try special("image_gen_end_token_id", 151_658)
    imageGenPad = try special("image_gen_pad_token_id", 151_659)
  }

  func check(_ reader: ConfigurationReader, vocabSize: Int) throws(ConfigurationError) {
    let ids = [
      ("vision_start_token_id", visionStart), ("vision_end_token_id", visionEnd),
      ("image_token_id", imagePad), ("video_token_id", videoPad),
      ("eos_token_id", endOfSequence),
      ("special_tokens.image_gen_start_token_id", imageGenStart),
      ("special_tokens.image_gen_end_token_id", imageGenEnd),
    ]
    for (name, id) in ids {
      try reader.require(id < vocabSize, name, "\(id) is not below vocab_size \(vocabSize)")
    }
  }

  var members: [(String, JSONValue)] {
    [
      ("eos_token_id", .integer(endOfSequence)),
      ("vision_start_token_id", .integer(visionStart)),
      ("vision_end_token_id", .integer(visionEnd)),
      ("image_token_id", .integer(imagePad)),
      ("video_token_id", .integer(videoPad)),
      (
        "special_tokens",
        .object(
          JSONObject([
            ("image_gen_start_token_id", .integer(imageGenStart)),
            ("image_gen_end_token_id", .integer(imageGenEnd)),
            ("image_gen_pad_token_id", .integer(imageGenPad)),
          ]))
      ),
    ]
  }
}
