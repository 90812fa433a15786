import CVARKernels

extension KVCache {
  /// Takes over the keys and values of the first `count` positions of a cache of the same type and model; the two may
  /// have room for different numbers of positions. Only these positions are written.
  ///
  /// A cache that needs rotary tables gets those of the positions apart (`storeRotary`).
  package func copyFirst(_ count: Int, from other: KVCache) {
    let (shape, source) = (layout.shape, other.layout.shape)
    precondition(
      shape.type == source.type && shape.layerCount == source.layerCount
        && shape.kvHeads == source.kvHeads && shape.headDim == source.headDim,
      "keys and values of another shape")
    precondition(
      count <= layout.capacity && count <= other.layout.capacity, "positions pass the cache")
    for index in 0..<shape.layerCount {
      let (output, input) = (layer(index).body, other.layer(index).body)
      for head in 0..<shape.kvHeads { shape.copy(count, ofHead: head, from: input, to: output) }
    }
  }
}

extension KVCache.Shape {
  fileprivate func copy(
    _ count: Int, ofHead head: Int, from input: cvar_kv_run, to output: cvar_kv_run
  ) {
    let (inputCapacity, outputCapacity) = (Int(input.capacity), Int(output.capacity))
    func copy(_ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ byteCount: Int) {
      to.copyMemory(from: from, byteCount: byteCount)
    }
    let position = type.byteCount(headDim)
    copy(
      input.values + head * inputCapacity * position,
      output.values + head * outputCapacity * position, count * position)

    // Keys lie in groups, [headDim, group]: of the last one not all lanes may be there.
    let inputKeys = UnsafeRawPointer(input.keys + head * inputCapacity * position)
    let outputKeys: UnsafeMutableRawPointer = output.keys + head * outputCapacity * position
    let group = Int(CVAR_KEY_GROUP)
    let whole = count / group * group * position
    copy(inputKeys, outputKeys, whole)
    let (lanes, stride) = (type.byteCount(count % group), type.byteCount(group))
    for index in 0..<(lanes > 0 ? headDim : 0) {
      let offset = whole + index * stride
      copy(inputKeys + offset, outputKeys + offset, lanes)
    }

    guard type == .int8 else { return }
    for (from, to) in [
      (input.key_scales, output.key_scales), (input.value_scales, output.value_scales),
    ] {
      guard let from, let to else { continue }
      (to + head * outputCapacity).update(from: from + head * inputCapacity, count: count)
    }
  }
}
