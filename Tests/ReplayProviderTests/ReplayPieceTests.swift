import MarketModel
import Primitives
import ProviderKit
import Recordings
import ServiceTestSupport
import TapeCodec
import TapeTransport
import Testing

@testable import ProviderGateway
@testable import ReplayProvider

@Suite("What a replay decides by")
struct ReplayPieceTests {
    private func at(_ nanoseconds: Int64) -> Timestamp { Timestamp(nanoseconds: nanoseconds) }

    @Test("a packet is due as long after the first as it was sent, by the speed")
    func pace() {
        var full = ReplayPace(.full)
        #expect(full.wait(sent: at(5_000), monotonic: .at(0)) == 0)
        #expect(full.wait(sent: at(9_000_000), monotonic: .at(0)) == 0)
        var double = ReplayPace(.thousandths(2_000))
        #expect(double.wait(sent: at(1_000), monotonic: .at(70)) == 0)
        #expect(double.wait(sent: at(1_400), monotonic: .at(70)) == 200)
        #expect(double.wait(sent: at(1_400), monotonic: .at(150)) == 120)
        #expect(double.wait(sent: at(1_400), monotonic: .at(300)) == 0)
        #expect(double.wait(sent: at(400), monotonic: .at(70)) == 0)
        #expect(double.wait(sent: at(Int64.max), monotonic: .distantPast) > 0)
    }

    private func header(
        _ kind: PacketKind, _ partition: Int, _ watermark: Int64
    ) throws -> PacketHeader {
        PacketHeader(
            kind: kind, partition: Partition(partition), source: .manual, epoch: 1,
            firstOrdinal: 1, watermark: at(watermark), sendTime: at(1))
    }

    @Test("the source is as far as the last of its partitions, and never goes back")
    func floor() throws {
        var floor = ReplayFloor(
            RecordingInfo(
                namespace: "md", partitions: 8, source: .manual, from: .undefined, to: at(9),
                created: at(1), present: [Partition(0), Partition(4), Partition(5)]))
        floor.took(try header(.ticks, 0, 100))
        floor.took(try header(.ticks, 5, 300))
        #expect(!floor.floor.isDefined)
        floor.took(try header(.watermark, 0, 50))
        #expect(floor.floor == at(50))
        floor.took(try header(.watermark, 0, 200))
        #expect(floor.floor == at(200))
        floor.took(try header(.ticks, 4, 20))
        floor.took(try header(.ticks, 4, Int64.min))
        #expect(floor.floor == at(200))
        floor.took(try header(.watermark, 0, 900))
        #expect(floor.floor == at(300))
    }

    private static let file = ["GATEWAY_PROVIDER": "replay", "REPLAY_FILE": "/a"]

    private func problems(_ environment: [String: String]) -> [String] {
        TestService.problems(Main.description, Self.file.merging(environment) { $1 })
    }

    @Test("settings that make sense are taken")
    func settings() throws {
        #expect(problems([:]).isEmpty)
        for (text, speed) in [
            ("full", ReplayPace.Speed.full), ("1", .thousandths(1_000)),
            ("2.5", .thousandths(2_500)),
            ("0.001", .thousandths(1)),
        ] {
            #expect(try ReplaySettings.speed(text) == speed)
        }
        let tape = [
            "REPLAY_FILE": "", "REPLAY_NAMESPACE": "other", "REPLAY_TO": "2026-11-20T14:30:00Z",
        ]
        #expect(problems(tape).isEmpty)
    }

    @Test(
        "settings that do not are refused",
        arguments: [
            ["REPLAY_SPEED": "0"], ["REPLAY_SPEED": "-1"], ["REPLAY_SPEED": "1.2345"],
            ["REPLAY_SPEED": "fast"], ["REPLAY_SPEED": "."], ["REPLAY_FILE": ""],
            ["REPLAY_NAMESPACE": "other"], ["REPLAY_SHIFT": "now", "REPLAY_SPEED": "2"],
            ["GATEWAY_POLICY_QUOTES": "drop"],
            ["REPLAY_FILE": "", "REPLAY_NAMESPACE": "other"],
            ["REPLAY_FILE": "", "REPLAY_NAMESPACE": "md", "REPLAY_TO": "2026-11-20T14:30:00Z"],
            [
                "REPLAY_FILE": "", "REPLAY_NAMESPACE": "other", "REPLAY_TO": "2026-11-20T14:30:00Z",
                "REPLAY_FROM": "2026-11-20T14:30:00Z",
            ],
        ])
    func refused(environment: [String: String]) {
        #expect(problems(environment).count == 1, "\(problems(environment))")
    }
}
