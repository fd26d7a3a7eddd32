import { MemoryState } from '../../src/testing/memory-state.ts'
import { stateSuite } from '../../src/testing/state.ts'

stateSuite({
  name: 'memory',
  open: async () => {
    const state = new MemoryState()
    const wipe = async () => {
      state.clear()
      return state
    }
    return { state, another: async () => state, wipe, close: () => state.close() }
  },
})
