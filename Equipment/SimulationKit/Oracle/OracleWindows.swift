internal import StreamCore

/// The windows of time to which a tick belongs.
struct OracleWindow: Hashable {
    let start: Int64
    let end: Int64

    static func all(
        of time: Int64, _ rule: WindowRule, _ calendar: SessionCalendar?
    ) -> [OracleWindow] {
        switch rule {
        case .tumbling(let width):
            let start = floor(time, width)
            return [OracleWindow(start: start, end: start + width)]
        case .sliding(let width, let hop):
            var found: [OracleWindow] = []
            var start = floor(time, hop)
            while start > time - width {
                found.append(OracleWindow(start: start, end: start + width))
                start -= hop
            }
            return found
        case .session(let width):
            guard
                let session = calendar?.sessions.first(where: { $0.open <= time && time < $0.close }
                )
            else { return [] }
            guard let width else {
                return [OracleWindow(start: session.open, end: session.close)]
            }
            var start = session.open
            while start + width <= time { start += width }
            return [OracleWindow(start: start, end: min(start + width, session.close))]
        case .inactivity, .ticks, .volume, .dollars: return []
        }
    }

    static func floor(_ time: Int64, _ width: Int64) -> Int64 {
        let rest = time % width
        return time - (rest < 0 ? rest + width : rest)
    }
}
