import Testing

@testable import IBSimulator

@Suite("Requests, read strictly")
struct RequestReaderTests {
    private let reader = RequestReader(serverVersion: 187)
    private let spy = Bench.stock("SPY")

    @Test("market data")
    func marketData() throws {
        let fields = ["1", "11", "5"] + spy + ["0", "233,292:SIMA", "1", "0", ""]
        guard case .marketData(let request) = try reader.read(fields) else {
            Issue.record("it is something else")
            return
        }
        #expect(request.id == 5)
        #expect(request.contract.symbol == "SPY")
        #expect(request.genericTicks == ["233", "292:SIMA"])
        #expect(request.isSnapshot)
    }

    @Test("legs of a combination and the values of a delta-neutral contract are read over")
    func combination() throws {
        var bag = spy
        bag[2] = "BAG"
        let legs = ["2", "1", "1", "BUY", "SMART", "2", "1", "SELL", "SMART"]
        let fields =
            ["1", "11", "5"] + bag + legs + ["1", "9", "0.5", "1.5", "", "0", "0", "a=b;"]
        #expect(try reader.read(fields).id == 5)
    }

    @Test("a field that is missing, left over or of another type is refused")
    func strict() {
        let fields = ["49", "1"]
        #expect(throws: RequestReader.Fault.missing(place: 1)) { try reader.read(["49"]) }
        #expect(throws: RequestReader.Fault.surplus(count: 1)) { try reader.read(fields + [""]) }
        #expect(throws: RequestReader.Fault.unknown("777")) { try reader.read(["777"]) }
        #expect(throws: RequestReader.Fault.wrong(place: 2, wanted: "whole number", found: "x")) {
            try reader.read(["2", "2", "x"])
        }
        #expect(throws: RequestReader.Fault.wrong(place: 2, wanted: "0 or 1", found: "2")) {
            try reader.read(["12", "1", "2"])
        }
    }

    @Test("the issuer of contract details came with version 176")
    func issuer() throws {
        let fields = ["9", "8", "5"] + spy + ["0", "", ""]
        #expect(try RequestReader(serverVersion: 175).read(fields).id == 5)
        #expect(throws: RequestReader.Fault.missing(place: 18)) { try reader.read(fields) }
        #expect(try reader.read(fields + [""]).id == 5)
    }

    @Test("frames may come byte by byte, and lengths are checked before they are waited for")
    func frames() throws {
        var frames = ClientFrames()
        var pieces: [ClientFrames.Piece] = []
        for byte in Bench.greeting("v100..187 +PACEAPI") + Bench.frame(["49", "1"]) {
            frames.append([byte])
            while let piece = try frames.next() { pieces.append(piece) }
        }
        #expect(
            pieces == [
                .greeting(min: 100, max: 187, options: "+PACEAPI"), .frame(["49", "1"]),
            ])
        frames.append([0x7f, 0xff, 0xff, 0xff])
        #expect(throws: ClientFrames.Fault.tooLong(0x7fff_ffff)) { try frames.next() }
    }

    @Test("greetings", arguments: ["v176", "v157..178"])
    func greetings(text: String) throws {
        guard case .greeting(let low, let high, _) = try ClientFrames.greeting(text) else {
            Issue.record("no greeting")
            return
        }
        #expect(low <= high)
        for wrong in ["", "176", "v", "v2..1", "va..b", "v1..2..3"] {
            #expect(throws: ClientFrames.Fault.self) { try ClientFrames.greeting(wrong) }
        }
    }
}
