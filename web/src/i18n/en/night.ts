// Texts of night/.

export const night = {
  title: 'The night again',
};
