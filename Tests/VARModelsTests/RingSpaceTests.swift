import Testing
import VARModels
import VARTestSupport

/// Places in a ring never overlap, and everything that may start gets its places.
@Suite struct RingSpaceTests {
  @Test(arguments: [0 as UInt64, 1, 2, 3])
  func placesNeverOverlap(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let capacity = 1000 + Int(random.next() % 1000)
    var space = RingSpace(byteCount: capacity)
    var taken: [Range<Int>] = []
    var refusals = 0
    // Owners are numbered in the order of their places.
    var (oldest, count) = (0, 0)
    for _ in 0..<20_000 {
      if random.next() % 3 == 0, !taken.isEmpty {
        taken.removeFirst()
        space.giveBack { $0 != oldest }
        oldest += 1
        continue
      }
      let size = 1 + Int(random.next() % 400)
      guard let start = space.take(size, for: count) else {
        refusals += 1
        continue
      }
      let place = start..<start + size
      try #require(place.lowerBound >= 0 && place.upperBound <= capacity)
      try #require(!taken.contains { $0.overlaps(place) })
      taken.append(place)
      count += 1
    }
    #expect(refusals > 100)
    #expect(space.isEmpty == taken.isEmpty)
  }

  /// What `canHold` allows gets all its places once what stood there before is given back.
  @Test(arguments: [4 as UInt64, 5, 6])
  func whatCanBeHeldIsHeld(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var space = RingSpace(byteCount: 1000)
    var older = 0
    var (allowed, refused) = (0, 0)
    var (oldest, count) = (0, 0)
    func giveBack() {
      space.giveBack { $0 != oldest }
      oldest += 1
      older -= 1
    }
    for _ in 0..<5000 {
      let sizes = (0..<1 + Int(random.next() % 4)).map { _ in 1 + Int(random.next() % 450) }
      guard space.canHold(sizes) else {
        refused += 1
        #expect(older > 0 || sizes.reduce(0, +) > 1000)
        while older > 0 { giveBack() }
        continue
      }
      allowed += 1
      for size in sizes {
        while space.take(size, for: count) == nil {
          try #require(older > 0, "a place that was promised is not there")
          giveBack()
        }
        count += 1
      }
      while older > 0 { giveBack() }
      older = sizes.count
    }
    #expect(allowed > 500 && refused > 500)
  }
}
