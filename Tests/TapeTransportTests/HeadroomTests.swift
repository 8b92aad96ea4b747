import Testing

@testable import TapeTransport

@Suite struct HeadroomTests {
    private func room(
        _ free: UInt64, of limit: UInt64 = 1_000, _ place: HeadroomLevel.Place = .stream("A")
    ) -> HeadroomLevel.Room {
        HeadroomLevel.Room(place: place, freeBytes: free, limitBytes: limit)
    }

    @Test("low below a tenth, ample again from a fifth on, and nothing in between changes it")
    func hysteresis() {
        var level = HeadroomLevel()
        let steps: [(free: UInt64, level: HeadroomLevel.Level, isNew: Bool)] = [
            (1_000, .ample, false), (100, .ample, false), (99, .low, true), (0, .low, false),
            (150, .low, false), (199, .low, false), (200, .ample, true), (101, .ample, false),
            (50, .low, true), (1_000, .ample, true),
        ]
        for step in steps {
            let changes = level.update(streams: [room(step.free)], disk: nil)
            #expect(level.level == step.level && changes.isEmpty != step.isNew, "\(step)")
            #expect(changes.allSatisfy { $0.level == step.level && $0.room.freeBytes == step.free })
        }
    }

    @Test("the worst place counts; a stream that is gone does not, an unknown disk does")
    func places() {
        var level = HeadroomLevel()
        let disk = room(63 << 20, of: 1 << 30, .disk)
        let changes = level.update(
            streams: [room(10, .stream("B")), room(900, .stream("A"))],
            disk: room(1 << 29, of: 1 << 30, .disk))
        #expect(changes.map(\.room.place) == [.stream("B")])
        #expect(level.level(ofStreams: ["A"]) == .ample && level.level(ofStreams: ["B"]) == .low)
        #expect(level.level(of: .stream("B")) == .low && level.level(of: .stream("C")) == .ample)
        #expect(level.update(streams: [room(900)], disk: disk).map(\.level) == [.low])
        #expect(level.level(ofStreams: ["A"]) == .low, "the disk is everybody's")
        #expect(level.update(streams: [room(900)], disk: nil).isEmpty)
        #expect(level.level == .low)
        #expect(
            level.update(streams: [], disk: room(64 << 20, of: 100 << 20, .disk)).map(\.level)
                == [.ample])
    }

    @Test("a small disk is low though most of it is free, a small stream is not")
    func absolute() {
        var level = HeadroomLevel()
        _ = level.update(streams: [room(50, of: 60)], disk: room(50, of: 60, .disk))
        #expect(level.level(of: .disk) == .low && level.level(of: .stream("A")) == .ample)
    }

    @Test("numbers at the ends of their range do not trap")
    func extremes() {
        #expect(room(.max, of: .max).percent == 99 || room(.max, of: .max).percent == 100)
        #expect(room(0, of: 0).percent == 0 && room(.max / 2, of: .max).percent < 51)
        #expect(HeadroomLevel.Place.disk.description == "disk")
    }
}
