import Primitives
import Testing

@testable import HotState

@Suite("Names as numbers")
struct HotNamesTests {
    private func hash(_ name: String) -> UInt64 { Checksum.of(name) }

    private func find(_ names: HotNames, _ name: String) -> HotNames.Place? {
        Array(name.utf8).withRawSpan { names.find($0, hash: hash(name)) }
    }

    private func enter(_ names: inout HotNames, _ name: String) -> HotNames.Place {
        let place = find(names, name) ?? names.insert(Array(name.utf8), hash: hash(name))
        names.use(place)
        return place
    }

    @Test("a name has the same number for ever, below the bound")
    func steady() {
        var names = HotNames(countMax: 5_000)
        let all = (0..<5_000).map { "symbol \($0) \(String(repeating: "x", count: $0 % 17))" }
        let places = all.map { enter(&names, $0) }
        #expect(Set(places.map(\.index)).count == 5_000)
        for (name, place) in zip(all, places) {
            #expect(find(names, name) == place && names.isCurrent(place))
            #expect(names.name(Int(place.index)) == Array(name.utf8))
        }
        #expect(names.evictions == 0 && find(names, "symbol") == nil)
    }

    @Test("the same hash does not make two names one")
    func collision() {
        var names = HotNames(countMax: 4)
        let first = names.insert(Array("a".utf8), hash: 7)
        let second = names.insert(Array("b".utf8), hash: 7)
        #expect(first != second)
        #expect(Array("b".utf8).withRawSpan { names.find($0, hash: 7) } == second)
        #expect(Array("c".utf8).withRawSpan { names.find($0, hash: 7) } == nil)
    }

    @Test("at the bound names without use give way, and who kept their number finds out")
    func bound() {
        var names = HotNames(countMax: 100)
        let kept = enter(&names, "kept")
        let first = (0..<99).map { enter(&names, "old \($0)") }
        for number in 0..<10_000 {
            #expect(enter(&names, "kept") == kept)
            _ = enter(&names, "new \(number)")
        }
        #expect(names.count == 100 && names.evictions == 10_000)
        #expect(first.allSatisfy { !names.isCurrent($0) })
        #expect(find(names, "old 5") == nil && find(names, "new 3") == nil)
        #expect(find(names, "new 9999") != nil)
        // The table returns what it was given, whatever was removed in between.
        let present = (0..<10_000).compactMap { number in
            find(names, "new \(number)").map { (number, $0) }
        }
        #expect(present.count == 99)
        for (number, place) in present {
            #expect(names.name(Int(place.index)) == Array("new \(number)".utf8))
        }
    }

    @Test("the search agrees with a dictionary, whatever comes and goes", arguments: 1...5)
    func random(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var names = HotNames(countMax: 37)
        var owners: [Int32: String] = [:]
        for _ in 0..<5_000 {
            let name = "\(UInt8.random(in: 0...99, using: &random))"
            // Few different hashes, so that the table has long runs.
            let hash = UInt64(name.utf8.count) &* 3 &+ UInt64(name.utf8.first ?? 0) % 5
            let bytes = Array(name.utf8)
            if let place = bytes.withRawSpan({ names.find($0, hash: hash) }) {
                #expect(owners[place.index] == name, "seed \(seed)")
                if Bool.random(using: &random) { names.use(place) }
            } else {
                #expect(!owners.values.contains(name), "seed \(seed)")
                owners[names.insert(bytes, hash: hash).index] = name
            }
        }
        #expect(owners.count == 37)
    }
}
