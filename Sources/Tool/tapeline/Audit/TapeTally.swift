/// How the rows of one check compare with the records of the tape that they came from.
struct TapeTally {
    private static let faultsShown = 5

    private(set) var compared: UInt64 = 0
    private(set) var wrong: UInt64 = 0
    private var faults: [String] = []
    private var damaged: UInt64 = 0
    private var damagedPlace: String?
    /// Why the check could not be carried out to its end.
    var ending: String?

    /// Takes a row that was compared with its record.
    mutating func take(_ fault: String?) {
        compared += 1
        guard let fault else { return }
        wrong += 1
        if faults.count < Self.faultsShown { faults.append(fault) }
    }

    /// Takes a row whose record is in a packet that cannot be read.
    mutating func takeDamaged(_ place: @autoclosure () -> String) {
        damaged += 1
        if damagedPlace == nil { damagedPlace = place() }
    }

    func add(_ name: String, _ sentence: String, to report: inout AuditReport) {
        if compared > 0 {
            report.add(
                AuditReport.Line(
                    name: name, sentence: sentence, expected: "\(compared)",
                    found: "\(compared - wrong)", isRight: wrong == 0,
                    detail: faults.joined(separator: "; ")))
        }
        if let damagedPlace {
            let rows = damaged == 1 ? "1 row" : "\(damaged) rows"
            report.leaveOut(
                name, "\(rows), because packets cannot be read, such as \(damagedPlace)",
                isExpected: false)
        }
        if let ending {
            report.leaveOut(name, ending, isExpected: false)
        } else if compared == 0, damaged == 0 {
            report.leaveOut(
                name, "no row is of a record that the tape still has", isExpected: true)
        }
    }
}
