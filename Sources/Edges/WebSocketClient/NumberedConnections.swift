/// The connections of a client by the numbers that their owner gives them.
package struct NumberedConnections {
    private var ids: [UInt32: WebSocketID] = [:]
    private var numbers: [WebSocketID: UInt32] = [:]

    package init() {}

    package subscript(number: UInt32) -> WebSocketID? { ids[number] }
    package subscript(id: WebSocketID) -> UInt32? { numbers[id] }

    package mutating func add(_ id: WebSocketID, as number: UInt32) {
        ids[number] = id
        numbers[id] = number
    }

    package mutating func remove(_ number: UInt32) {
        if let id = ids.removeValue(forKey: number) { numbers[id] = nil }
    }
}
