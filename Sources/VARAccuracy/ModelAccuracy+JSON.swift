import VAREvaluation
import VARJSON

extension ModelAccuracy {
  package var json: JSONValue {
    var object = JSONObject([
      ("model", .string(path)), ("hash", .string(contentHash)), ("bytes", .integer(fileByteCount)),
    ])
    if let bitsPerWeight { object["bits_per_weight"] = .number(bitsPerWeight) }
    object["output_error"] = .number(outputError)
    object["output_error_per_layer"] = .object(
      JSONObject(outputErrors.map { ($0.name, .number($0.error)) }))
    if bits.count > 0 {
      object["bits"] = bits.json
      object["bits_per_scale"] = .array(bitsPerScale.map(\.json))
      object["kl_nats_per_token_of_scale"] = .array(
        klPerToken.map { .array($0.map { .number($0) }) })
    }
    if words.count > 0 {
      object["words"] = words.json
      object["probability_of_tokens_left_out"] = .number(wordsLeftOut)
    }
    if pictureCosines.count > 0 {
      let least = pictureCosines.quantiles([0, 0.01]).map { JSONValue.number($0) }
      object["picture_embeddings"] = .object(
        JSONObject([
          ("count", .integer(pictureCosines.count)),
          ("mean_cosine", .number(pictureCosines.mean)), ("min", least[0]), ("1%", least[1]),
        ]))
    }
    object["outcomes"] = outcomes.json
    if !pictures.isEmpty {
      object["pictures"] = .array(
        pictures.map {
          .object(
            JSONObject([
              ("prompt", .string($0.prompt)), ("psnr_db", .number($0.psnr)),
              ("ssim", .number($0.similarity)),
            ]))
        })
    }
    return .object(object)
  }
}
